# SPDX-License-Identifier: Apache-2.0
"""The JSON schema of sluice.yaml, made from the table of keys: takes what
sluiced takes, and refuses what it can know to be wrong.  Speaks TAP."""
import json
import os
import subprocess
import sys
import tempfile

try:
    import jsonschema
    import yaml
except ImportError:
    # Debian's packages are those of Debian's python3.
    if sys.executable != "/usr/bin/python3" and not os.environ.get("RETRY"):
        os.execve("/usr/bin/python3", ["/usr/bin/python3", "-B"] + sys.argv,
                  {**os.environ, "RETRY": "1"})
    print("1..0 # SKIP python3-jsonschema and python3-yaml are not installed: "
          "see the file packages")
    sys.exit(0)

from harness import BUILD, SLUICED, SOURCE, equal, main

TENANT = {"id": 7, "name": "shop", "server": "logs.example:514"}
WRONG = {
    "no tenants": {},
    "an unknown section": {"tenants": [TENANT], "tunel": {}},
    "an unknown key": {"tenants": [TENANT], "tunnel": {"prot": 6081}},
    "a number too large": {"tenants": [TENANT], "tunnel": {"port": 65536}},
    "a string for a number": {"tenants": [TENANT], "tunnel": {"port": "x"}},
    "a relative path": {"tenants": [TENANT], "paths": {"run": "run"}},
    "an unknown choice": {"tenants": [TENANT],
                          "batch": {"durability": "maybe"}},
    "an unknown action": {"tenants": [TENANT],
                          "rules": [{"name": "a", "action": "explode"}]},
    "a missing key": {"tenants": [{"id": 7}]},
    "a server without a port": {"tenants": [{**TENANT, "server": "logs"}]},
    "a destination without its server": {"tenants": [{
        "id": 7, "name": "shop",
        "destinations": [{"name": "a", "type": "tls"}]}]},
    "a key that the type does not take": {"tenants": [{
        "id": 7, "name": "shop",
        "destinations": [{"name": "a", "type": "tcp", "server": "h:1",
                          "topic": "logs"}]}]},
}


def load():
    with open(BUILD + "/docs/sluice.schema.json", encoding="utf-8") as file:
        return json.load(file)


def it_is_a_schema():
    jsonschema.Draft7Validator.check_schema(load())


def it_takes_the_example():
    with open(SOURCE + "/docs/sluice.yaml.example", encoding="utf-8") as file:
        jsonschema.Draft7Validator(load()).validate(yaml.safe_load(file))


def it_takes_every_default():
    config = {"tenants": [TENANT]}
    for name, section in load()["properties"].items():
        if section["type"] == "object":
            config[name] = {key: value["default"] for key, value
                            in section["properties"].items()
                            if "default" in value}
    jsonschema.Draft7Validator(load()).validate(config)
    assert len(config) > 5


def what_is_wrong_is_so_to_both():
    validator = jsonschema.Draft7Validator(load())
    with tempfile.TemporaryDirectory() as directory:
        for name, config in {"nothing": {"tenants": [TENANT]},
                             **WRONG}.items():
            path = directory + "/sluice.yaml"
            with open(path, "w", encoding="utf-8") as file:
                yaml.safe_dump(config, file)
            status = subprocess.run([SLUICED, "--check", "--config", path],
                                    capture_output=True, check=False
                                    ).returncode
            is_wrong = name != "nothing"
            equal((name, validator.is_valid(config), status == 0),
                  (name, not is_wrong, not is_wrong))


def destinations():
    """One of each type, with what it needs."""
    item = load()["properties"]["tenants"]["items"]["properties"][
        "destinations"]["items"]
    values = {"server": "logs.example:1514", "topic": "logs",
              "server-name": "logs.example"}
    for rule in item["allOf"]:
        kind = rule["if"]["properties"]["type"]["const"]
        yield {"name": kind, "type": kind,
               **{key: values.get(key, f"/etc/sluice/{key}")
                  for key in rule["then"]["required"]}}


def each_type_of_destination_is_dumped_as_it_may_be():
    validator = jsonschema.Draft7Validator(load())
    found = list(destinations())
    assert len(found) > 6, found
    for destination in found:
        config = {"tenants": [{"id": 7, "name": "shop",
                               "destinations": [destination]}]}
        validator.validate(config)
        with tempfile.TemporaryDirectory() as directory:
            for _ in range(2):
                with open(directory + "/a.yaml", "w", encoding="utf-8") as f:
                    yaml.safe_dump(config, f)
                done = subprocess.run(
                    [SLUICED, "--dump-effective", "--config",
                     directory + "/a.yaml"], capture_output=True, text=True,
                    check=False)
                if "recipient" in destination.get("recipient-file", ""):
                    # The key is not there, and is looked at first.
                    assert "recipient-file" in done.stderr, done.stderr
                    break
                equal((destination["type"], done.stderr),
                      (destination["type"], ""))
                config = yaml.safe_load(done.stdout)
                validator.validate(config)


def what_is_dumped_loads_to_the_same():
    validator = jsonschema.Draft7Validator(load())
    with tempfile.TemporaryDirectory() as directory:
        before, path = None, SOURCE + "/docs/sluice.yaml.example"
        for i in range(2):
            text = subprocess.run(
                [SLUICED, "--dump-effective", "--config", path],
                stdout=subprocess.PIPE, check=True).stdout
            equal(before in (None, text), True)
            before, path = text, f"{directory}/{i}.yaml"
            with open(path, "wb") as file:
                file.write(text)
        config = yaml.safe_load(text)
        validator.validate(config)
    with open(SOURCE + "/docs/sluice.yaml.example", encoding="utf-8") as file:
        example = yaml.safe_load(file)
    equal([t["name"] for t in config["tenants"]],
          [t["name"] for t in example["tenants"]])
    equal(config["tenants"][0]["destinations"][0]["server"],
          example["tenants"][0]["server"])
    equal((config["tunnel"]["option-class"], config["batch"]["durability"]),
          (0xff53, "power"))


main([
    it_is_a_schema,
    it_takes_the_example,
    it_takes_every_default,
    what_is_wrong_is_so_to_both,
    each_type_of_destination_is_dumped_as_it_may_be,
    what_is_dumped_loads_to_the_same,
])
