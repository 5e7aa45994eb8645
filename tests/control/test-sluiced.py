#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# sluiced as a master: starting, watching, reloading, stopping, with programs
# that stand in for the real ones.
import os
import pwd
import signal
import socket
import stat
import subprocess
import time

from harness import (BUILD, SLUICED, SOURCE, Sluiced, equal, frame, free_port,
                     is_alive, main, receive_frame, wait_for)


def check_tells_good_from_bad():
    good = subprocess.run(
        [SLUICED, "--check", "--config", SOURCE + "/docs/sluice.yaml.example"],
        capture_output=True, text=True, check=False)
    equal(good.returncode, 0)
    equal(good.stdout.split(": ", 1)[1],
          "ok, 3 tenants, 2 hosts, GENEVE on 0.0.0.0 port 6081\n")
    with Sluiced() as s:
        s.write_config(tenants=(7, 99999999))
        bad = subprocess.run([SLUICED, "--check", "--config", s.config],
                             capture_output=True, text=True, check=False)
        equal(bad.returncode, 1)
        equal(bad.stdout, "")
        equal(bad.stderr, s.config + ":12:3: tenants[1].id: 99999999 is not a "
              "tenant number; give 1 to 16777215.\n")
        equal(os.listdir(s.dir), os.listdir(s.dir))
        assert not os.path.exists(s.dir + "/run")


def check_warns_of_files_that_are_read_later():
    with Sluiced() as s:
        there, absent = s.dir + "/there.pem", s.dir + "/absent.yaml"
        s.write(there, "")
        s.write_config(extra=f"context:\n  static-file: {absent}\n"
                       "managers:\n- name: vc\n  kind: vsphere\n"
                       "  server: 127.0.0.1:1\n"
                       f"  credentials-file: {s.dir}/no\n"
                       f"  ca-file: {there}\n")
        result = subprocess.run([SLUICED, "--check", "--config", s.config],
                                capture_output=True, text=True, check=False)
        equal(result.returncode, 0)
        assert ": ok, " in result.stdout, result
        first, second = result.stderr.splitlines()
        why = (" cannot be read: No such file or directory.  What needs it "
               "waits until it can be.")
        assert first.startswith(s.config + ":"), first
        assert first.endswith("context.static-file: " + absent + why), first
        assert second.endswith(
            f"managers[0].credentials-file: {s.dir}/no" + why), second


def wrong_usage_has_an_exit_status_of_its_own():
    for args in ([], ["--config"], ["--nonsense"], ["--config", "f", "x"]):
        result = subprocess.run([SLUICED, *args], capture_output=True,
                                text=True, check=False)
        equal(result.returncode, 2)
        assert result.stderr


def each_program_is_started_with_its_arguments():
    with Sluiced() as s:
        s.start().wait_for_all()
        running = f"--config {s.dir}/run/sluice.yaml"
        for name, fds, args in (
                ("sluice-context", 4, running + " --report-fd 3"),
                ("sluice-intake", 20, running
                 + " --report-fd 3 --fd 4 --n-fds 16"),
                ("sluice-ship-7", 3, running + " --tenant 7 --queue main"),
                ("sluice-ship-8", 3, running + " --tenant 8 --queue main")):
            equal([event.text for event in s.events(name, "start")],
                  [f"start fds={fds} blocked=SIGHUP+SIGUSR1 {args}"])
        event = s.wait_for_event("sluice-intake", "socket")
        equal(int(event.text.split()[1]), s.port)
        assert int(event.text.split()[2]) > 65536
        equal([p["name"] for p in s.ask("status")["programs"]],
              ["context", "intake", "ship-7", "ship-8"])
        equal(s.stop(), 0)


def directories_keys_and_running_configuration_are_there():
    with Sluiced() as s:
        s.start()
        for path, mode in (("run", 0o750), ("run/intake", 0o700),
                           ("run/host-keys", 0o711),
                           ("deep/spool", 0o750), ("state", 0o711),
                           ("state/context", 0o750),
                           ("state/ship.key", 0o600),
                           ("deep/spool/key.pub", 0o644),
                           ("run/sluice.yaml", 0o640),
                           ("run/control.sock", 0o660)):
            equal((path, stat.S_IMODE(os.stat(f"{s.dir}/{path}").st_mode)),
                  (path, mode & ~os.umask(os.umask(0))
                   if path != "run/control.sock" else mode))
        equal(s.read(s.dir + "/run/sluice.yaml"), s.read(s.config))
        secret = s.read(s.dir + "/state/ship.key")
        public = s.read(s.dir + "/deep/spool/key.pub")
        equal(s.stop(), 0)
        os.unlink(s.dir + "/deep/spool/key.pub")
        s.start()
        equal(s.read(s.dir + "/state/ship.key"), secret)
        equal(s.read(s.dir + "/deep/spool/key.pub"), public)


def can_run_as(user, path):
    return not subprocess.run(["setpriv", "--reuid", user, "--clear-groups",
                               "test", "-x", path], check=False).returncode


def is_sanitized(path):
    with open(path, "rb") as file:
        return b"__asan_init" in file.read()


def intake_gets_a_user_of_its_own_and_what_it_writes_to():
    with Sluiced() as s:
        if os.geteuid():
            return "only root can give it one"
        os.chmod(s.dir, 0o711)
        s.libexec = BUILD + "/proxy-vm"
        s.write_config(extra="intake:\n  user: nobody\n")
        s.start()
        program = wait_for("intake", lambda: s.program("intake"))
        nobody = pwd.getpwnam("nobody").pw_uid
        for path in "run/intake", "deep/spool":
            equal((path, os.stat(f"{s.dir}/{path}").st_uid), (path, nobody))
        real = BUILD + "/proxy-vm/intake/sluice-intake"
        if not can_run_as("nobody", real):
            return "the build lies in a directory that nobody can't reach"

        def status():
            text = s.read(f"/proc/{program['pid']}/status")
            return dict(line.split(":\t") for line in text.splitlines())
        # The leak checker of a build with sanitizers can't do with a filter.
        wait_for("the sandbox", lambda: status()["NoNewPrivs"] == "1"
                 and (status()["Seccomp"] == "2" or is_sanitized(real)))
        equal(status()["Uid"].split(), [str(nobody)] * 4)
        equal(status()["Groups"].strip(), "")
        equal(int(status()["CapEff"], 16), 0)
        equal(s.program("intake")["restarts"], 0)
    return None


def an_unknown_user_is_refused():
    with Sluiced() as s:
        if os.geteuid():
            return "only root has a choice"
        s.write_config(extra="intake:\n  user: no-such-user\n")
        result = s.run_to_end()
        equal(result.returncode, 1)
        equal(result.stderr, "sluiced: intake.user: there is no user "
              "no-such-user; make it with useradd --system no-such-user.\n")
    return None


def a_run_directory_on_disk_is_warned_of():
    with Sluiced() as s:
        s.start()
        kind = subprocess.run(["stat", "-f", "-c", "%T", s.dir + "/run"],
                              capture_output=True, text=True, check=True)
        equal("is not in a tmpfs" in s.read(s.dir + "/log"),
              kind.stdout.strip() not in ("tmpfs", "ramfs"))


def a_killed_program_is_started_again_at_once():
    with Sluiced() as s:
        s.start().wait_for_all()
        first = s.wait_for_event("sluice-intake", "start")
        os.kill(first.pid, signal.SIGKILL)
        second = s.wait_for_event("sluice-intake", "start", 2)
        program = s.program("intake")
        equal(program["pid"], second.pid)
        equal(program["restarts"], 1)
        equal(program["last_exit"], "killed (Killed)")
        equal(s.program("ship-7")["restarts"], 0)


def a_crash_loop_backs_off_and_disturbs_no_other():
    with Sluiced() as s:
        s.set_mode("sluice-ship-8", "crash")
        s.start()
        s.wait_for_event("sluice-ship-8", "start", 6)
        starts = [e.ms for e in s.events("sluice-ship-8", "start")]
        gaps = [b - a for a, b in zip(starts, starts[1:])]
        for gap, least in zip(gaps, (0, 100, 200, 400, 800)):
            assert gap >= least, (gaps, least)
        program = wait_for("six exits", lambda: (
            lambda p: p if p["restarts"] >= 6 else None)(s.program("ship-8")))
        equal(program["last_exit"], "exit status 3")
        equal(program["pid"], 0)
        for name in ("sluice-context", "sluice-intake", "sluice-ship-7"):
            equal(len(s.events(name, "start")), 1)
        equal(s.stop(), 0)


def a_signal_is_told_in_words():
    with Sluiced() as s:
        s.set_mode("sluice-context", "segv")
        s.start()
        wait_for("an exit", lambda: s.program("context")["restarts"])
        assert "Segmentation fault" in s.program("context")["last_exit"]


def a_bad_reload_changes_nothing():
    with Sluiced() as s:
        s.start().wait_for_all()
        before = s.read(s.dir + "/run/sluice.yaml")
        s.write_config(tenants=(7, 7))
        result = s.ctl("reload")
        sentence = (s.config + ":12:3: tenants[1].id: 7 is the id of tenants[0] "
                    "as well; give each its own.")
        equal(result.returncode, 1)
        equal(result.stderr, f"sluicectl: {sentence}\n")
        equal(s.ask("status")["refused"], sentence)
        assert sentence in s.ctl("status").stdout
        equal(s.read(s.dir + "/run/sluice.yaml"), before)

        # A restarted program does not see the bad file either.
        pid = s.program("ship-7")["pid"]
        os.kill(pid, signal.SIGKILL)
        s.wait_for_event("sluice-ship-7", "start", 2)
        equal(s.events(text="SIG"), [])

        s.write_config()
        equal(s.ctl("reload").returncode, 0)
        equal(s.ask("status")["refused"], "")


def a_good_reload_reaches_every_program():
    with Sluiced() as s:
        s.start().wait_for_all()
        s.write_config(tenants=(8, 9))
        result = s.ctl("reload")
        equal((result.returncode, result.stdout),
              (0, s.config + ": loaded\n  tenants.7: removed\n"
               "  tenants.9: added\n"))
        for name in ("sluice-context", "sluice-intake"):
            s.wait_for_event(name, "SIGHUP")
        s.wait_for_event("sluice-ship-7", "SIGTERM")
        s.wait_for_event("sluice-ship-9", "start")
        wait_for("the end of ship-7", lambda: not s.program("ship-7"))
        equal(s.read(s.dir + "/run/sluice.yaml"), s.read(s.config))
        equal([t["id"] for t in s.ask("tenants")["tenants"]], [8, 9])
        equal(s.events("sluice-ship-8", "SIG"), [])


def a_reload_disturbs_only_the_shippers_that_it_is_about():
    with Sluiced() as s:
        s.start().wait_for_all()
        equal(s.ctl("reload").returncode, 0)
        s.wait_for_event("sluice-intake", "SIGHUP")

        # The server of one tenant.
        before = s.read(s.config)
        at = before.index("server: ", before.index("id: 8"))
        end = before.index("\n", at)
        s.write(s.config, before[:at] + "server: 127.0.0.1:10" + before[end:])
        equal(s.ctl("reload").returncode, 0)
        s.wait_for_event("sluice-ship-8", "SIGTERM")
        s.wait_for_event("sluice-ship-8", "start", 2)
        equal(s.events("sluice-ship-7", "SIG"), [])

        # What all of them have in common.
        s.write(s.config, s.read(s.config) + "output:\n  hold-ms: 1\n")
        equal(s.ctl("reload").returncode, 0)
        s.wait_for_event("sluice-ship-7", "start", 2)
        s.wait_for_event("sluice-ship-8", "start", 3)
        equal([e.text for e in s.events(text="SIGHUP")
               if e.name.startswith("sluice-ship")], [])
        for name in ("ship-7", "ship-8"):
            equal(s.program(name)["restarts"], 0)


def a_reload_disturbs_only_the_queue_that_it_is_about():
    with Sluiced() as s:
        def write_destinations(**ports):
            row = "  - {name: %s, type: tcp, server: '127.0.0.1:%d'}\n"
            s.write_config(tenants=(7,))
            s.write(s.config, s.read(s.config).replace(
                "\n  server: 127.0.0.1:9\n", "\n  destinations:\n" + "".join(
                    row % (name, port) for name, port in ports.items())))

        def pids(*queues):
            """Of all, once all have one."""
            all_pids = [s.program("ship-7-" + q)["pid"] for q in queues]
            return all(all_pids) and all_pids

        write_destinations(logs=9, archive=9)
        s.start()
        s.wait_for_event("sluice-ship-7", "start", 2)
        logs, archive = wait_for("two", lambda: pids("logs", "archive"))
        write_destinations(logs=9, archive=10)
        equal(s.ctl("reload").stderr, "")
        s.wait_for_event("sluice-ship-7", "start", 3)
        wait_for("another shipper of the archive",
                 lambda: pids("archive") not in (False, [archive]))
        equal([e.pid for e in s.events("sluice-ship-7", "SIG")], [archive])
        equal(pids("logs"), [logs])

        # All must know what lines a new one may get alone.
        write_destinations(logs=9, archive=10, audit=9)
        equal(s.ctl("reload").stderr, "")
        s.wait_for_event("sluice-ship-7", "start", 6)


def a_reload_does_not_end_a_program_that_just_begins():
    with Sluiced() as s:
        s.start().wait_for_all()
        for name in ("intake", "context"):
            pid = s.program(name)["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_for("a new process", lambda name=name, pid=pid:
                     s.program(name)["pid"] not in (0, pid))
            equal(s.ctl("reload").returncode, 0)
            s.wait_for_event(f"sluice-{name}", "SIGHUP")
            equal(s.program(name)["restarts"], 1)


def a_reload_ends_once_the_programs_have_taken_it():
    with Sluiced() as s:
        s.start().wait_for_all()
        for i in range(20):
            s.write_config(tenants=(7,) if i % 2 else (7, 8))
            equal(s.ctl("reload").stderr, "")
            for name in ("intake", "context"):
                equal(len(s.events("sluice-" + name, "SIGHUP")), i + 1)


def a_reload_says_who_has_not_taken_it():
    with Sluiced() as s:
        s.start().wait_for_all()
        s.set_mode("sluice-intake", "busy")
        s.set_mode("sluice-context", "picky")
        begun = time.monotonic()
        with s.connect() as other:
            # It answers others meanwhile.
            other.sendall(frame(b"\x08\x06") + frame(b"\x08\x01"))
            result = s.ctl("reload")
            both = [receive_frame(other) for _ in range(2)]
        assert time.monotonic() - begun >= 10
        equal((result.returncode, result.stdout.partition("\n")[0]),
              (1, s.config + ": loaded"))
        sentence = ("the configuration could not be used by context, and the "
                    "one before stays there; the log says why. the "
                    "configuration was not taken yet by intake; look at "
                    "\"sluicectl status\" until it is.")
        equal(result.stderr, f"sluicectl: {sentence}\n")
        assert all(sentence.encode() in message for message in both), both
        wait_for("the log", lambda: sentence in s.read(s.dir + "/log"))
        equal(s.ask("status")["not_taken"], sentence)

        # One that does not run is no obstacle, and a new one is none.
        s.set_mode("sluice-intake", "")
        s.set_mode("sluice-context", "crash")
        for name in ("intake", "context"):
            os.kill(s.program(name)["pid"], signal.SIGKILL)
        equal(s.ctl("reload").stderr, "")
        # Not at each instant: it runs now and then, until it crashes.
        wait_for("that all have it",
                 lambda: not s.ask("status")["not_taken"])


def a_program_that_will_not_report_is_not_waited_for():
    with Sluiced() as s:
        s.start().wait_for_all()
        s.set_mode("sluice-intake", "mute")
        equal(s.ctl("reload").stderr, "")
        s.wait_for_event("sluice-intake", "SIGHUP")


def a_changed_batch_size_reaches_intake():
    with Sluiced() as s:
        s.start().wait_for_all()
        s.write_config(extra="batch:\n  max-delay-ms: 50\n")
        equal(s.ctl("reload").returncode, 0)
        s.wait_for_event("sluice-intake", "SIGTERM")
        s.wait_for_event("sluice-intake", "start", 2)


def a_tenant_that_leaves_and_returns_has_one_shipper():
    with Sluiced() as s:
        s.set_mode("sluice-ship-7", "stubborn")
        s.start().wait_for_all()
        s.write_config(tenants=(8,))
        equal(s.ctl("reload").returncode, 0)
        s.wait_for_event("sluice-ship-7", "SIGTERM")
        s.write_config(tenants=(7, 8))
        equal(s.ctl("reload").returncode, 0)
        first = s.events("sluice-ship-7", "start")[0]
        second = s.wait_for_event("sluice-ship-7", "start", 2)
        assert not is_alive(first.pid)
        equal(s.program("ship-7")["pid"], second.pid)
        s.set_mode("sluice-ship-7", "")


def sighup_reloads_too():
    with Sluiced() as s:
        s.start().wait_for_all()
        s.write_config(tenants=(7,))
        s.process.send_signal(signal.SIGHUP)
        wait_for("one tenant", lambda: len(s.ask("tenants")["tenants"]) == 1)


def a_changed_port_gives_intake_a_new_socket():
    with Sluiced() as s:
        s.start().wait_for_all()
        s.wait_for_event("sluice-intake", "socket")
        s.port = free_port()
        s.write_config()
        equal(s.ctl("reload").returncode, 0)
        event = s.wait_for_event("sluice-intake", "socket", 2)
        equal(int(event.text.split()[1]), s.port)
        equal(s.program("intake")["restarts"], 0)
        equal(s.events("sluice-ship-7", "SIGTERM"), [])

        # The same port of another address: both sockets have it for a while.
        s.write(s.config, s.read(s.config).replace("127.0.0.1\n  port",
                                                   "0.0.0.0\n  port"))
        equal(s.ctl("reload").stderr, "")
        s.wait_for_event("sluice-intake", "socket", 3)


def a_changed_receive_buffer_needs_no_restart():
    with Sluiced() as s:
        s.start().wait_for_all()
        s.write(s.config, s.read(s.config).replace(
            "tunnel:\n", "tunnel:\n  receive-buffer: 65536\n"))
        equal(s.ctl("reload").returncode, 0)
        s.wait_for_event("sluice-intake", "SIGHUP")
        equal(len(s.events("sluice-intake", "start")), 1)


def a_key_file_that_others_may_read_is_refused():
    with Sluiced() as s:
        s.start().wait_for_all()
        key = s.dir + "/hv1.key"
        s.write(key, "000102030405060708090a0b0c0d0e0f\n")
        os.chmod(key, 0o644)
        s.write_config(extra="hosts:\n- name: hv1\n  vtep: 127.0.0.1\n"
                             f"  key-file: {key}\n")
        result = s.ctl("reload")
        equal(result.returncode, 1)
        assert result.stderr.startswith(
            f"sluicectl: {s.config}:11:3: hosts[0].key-file: host hv1: {key}: "
            "others than its owner"), result
        equal(s.events("sluice-intake", "SIGHUP"), [])
        check = [SLUICED, "--check", "--config", s.config]
        bad = subprocess.run(check, capture_output=True, text=True,
                             check=False)
        equal(bad.returncode, 1)
        equal(bad.stderr, result.stderr.split(": ", 1)[1])

        os.chmod(key, 0o600)
        subprocess.run(check, capture_output=True, check=True)
        equal(s.ctl("reload").returncode, 0)
        s.wait_for_event("sluice-intake", "SIGHUP")


def what_cannot_change_is_refused():
    with Sluiced() as s:
        s.start()
        s.write(s.config, s.read(s.config).replace("/deep/spool", "/other"))
        result = s.ctl("reload")
        equal(result.returncode, 1)
        equal(result.stderr, f"sluicectl: paths.spool: it can't change from "
              f"{s.dir}/deep/spool to {s.dir}/other while sluiced runs; "
              f"restart sluiced.\n")


def a_port_in_use_is_refused_and_the_old_one_stays():
    with Sluiced() as s, Sluiced() as other:
        s.start().wait_for_all()
        other.start()
        s.port = other.port
        s.write_config()
        result = s.ctl("reload")
        equal(result.returncode, 1)
        equal(result.stderr, f"sluicectl: tunnel: UDP port {s.port} of "
              "127.0.0.1 can't be bound: Address already in use; give "
              "another tunnel.listen or tunnel.port.\n")
        equal(s.events(text="SIG"), [])


def stopping_goes_along_the_way_of_a_line():
    with Sluiced() as s:
        s.start().wait_for_all()
        pids = [p["pid"] for p in s.ask("status")["programs"]]
        equal(s.stop(), 0)
        order = [e.name for e in s.events(text="SIGTERM")]
        equal((order[0], sorted(order[1:3]), order[3]),
              ("sluice-intake", ["sluice-ship-7", "sluice-ship-8"],
               "sluice-context"))
        assert not any(is_alive(pid) for pid in pids)
        assert not os.path.exists(s.socket)


def a_program_that_does_not_run_needs_no_stopping():
    with Sluiced() as s:
        s.set_mode("sluice-ship-7", "crash")
        s.set_mode("sluice-ship-8", "crash")
        s.start()
        for name in ("ship-7", "ship-8"):
            # The pause before it is started again is 1.6 s now.
            wait_for("ends", lambda name=name:
                     s.program(name)["restarts"] > 6, 60)
        equal(s.stop(), 0)


def a_program_that_does_not_stop_is_killed():
    with Sluiced() as s:
        s.set_mode("sluice-ship-8", "stubborn")
        s.start().wait_for_all()
        pid = s.program("ship-8")["pid"]
        equal(s.stop(), 0)
        assert not is_alive(pid)
        equal(len(s.events("sluice-ship-8", "SIGTERM")), 1)


def no_program_outlives_a_killed_master():
    with Sluiced() as s:
        s.start().wait_for_all()
        pids = [p["pid"] for p in s.ask("status")["programs"]]
        s.process.kill()
        s.process.wait()
        wait_for("the end of all",
                 lambda: not any(is_alive(pid) for pid in pids))
        s.start()               # In spite of what was left behind.
        equal(s.stop(), 0)


def a_second_master_is_refused():
    with Sluiced() as s:
        s.start()
        result = s.run_to_end()
        equal(result.returncode, 1)
        equal(result.stderr, f"sluiced: {s.dir}/run/sluiced.lock is locked: "
              "another sluiced runs there; stop it, or give this one its own "
              "paths.run.\n")
        equal(s.ctl("status").returncode, 0)


def a_missing_program_is_told():
    with Sluiced(programs=("sluice-context", "sluice-intake")) as s:
        result = s.run_to_end()
        equal(result.returncode, 1)
        equal(result.stderr, f"sluiced: {s.libexec}/sluice-ship can't be run: "
              "No such file or directory; install it there, or name its "
              "directory with --libexec.\n")


def keys_that_others_may_read_are_refused():
    with Sluiced() as s:
        s.start()
        equal(s.stop(), 0)
        os.chmod(s.dir + "/state/ship.key", 0o644)
        result = s.run_to_end()
        equal(result.returncode, 1)
        assert "the shipper's keys" in result.stderr, result.stderr


def the_real_programs_run_together():
    with Sluiced() as s:
        s.libexec = BUILD + "/proxy-vm"
        s.start()
        wait_for("intake", lambda: os.path.exists(
            s.dir + "/run/intake/intake.stats"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"short", ("127.0.0.1", s.port))
        wait_for("a drop", lambda: [
            (c["tenant"], c["value"]) for c in s.ask("counters")["counters"]
            if c["name"] == "geneve-truncated"] == [(0, 1)])
        wait_for("the shippers", lambda: [
            t["state"] for t in s.ask("tenants")["tenants"]
        ] == ["idle", "idle"])
        s.write_config(tenants=(7,), extra="batch:\n  max-delay-ms: 50\n")
        equal(s.ctl("reload").stderr, "")
        wait_for("the end of ship-8", lambda: not s.program("ship-8"))
        equal([(p["name"], p["restarts"])
               for p in s.ask("status")["programs"]],
              [("context", 0), ("intake", 0), ("ship-7", 0)])
        equal(s.stop(), 0)


main([
    check_tells_good_from_bad,
    check_warns_of_files_that_are_read_later,
    wrong_usage_has_an_exit_status_of_its_own,
    each_program_is_started_with_its_arguments,
    directories_keys_and_running_configuration_are_there,
    intake_gets_a_user_of_its_own_and_what_it_writes_to,
    an_unknown_user_is_refused,
    a_run_directory_on_disk_is_warned_of,
    a_killed_program_is_started_again_at_once,
    a_crash_loop_backs_off_and_disturbs_no_other,
    a_signal_is_told_in_words,
    a_bad_reload_changes_nothing,
    a_good_reload_reaches_every_program,
    a_reload_disturbs_only_the_shippers_that_it_is_about,
    a_reload_disturbs_only_the_queue_that_it_is_about,
    a_reload_does_not_end_a_program_that_just_begins,
    a_reload_ends_once_the_programs_have_taken_it,
    a_reload_says_who_has_not_taken_it,
    a_program_that_will_not_report_is_not_waited_for,
    a_changed_batch_size_reaches_intake,
    a_tenant_that_leaves_and_returns_has_one_shipper,
    sighup_reloads_too,
    a_changed_port_gives_intake_a_new_socket,
    a_changed_receive_buffer_needs_no_restart,
    a_key_file_that_others_may_read_is_refused,
    what_cannot_change_is_refused,
    a_port_in_use_is_refused_and_the_old_one_stays,
    stopping_goes_along_the_way_of_a_line,
    a_program_that_does_not_run_needs_no_stopping,
    a_program_that_does_not_stop_is_killed,
    no_program_outlives_a_killed_master,
    a_second_master_is_refused,
    a_missing_program_is_told,
    keys_that_others_may_read_are_refused,
    the_real_programs_run_together,
])
