-- SPDX-License-Identifier: Apache-2.0
--
-- Shows the GENEVE options of Sluice in Wireshark and tshark.
--
--      tshark -X lua_script:sluice.lua -r FILE -T fields -e sluice.vm ...
--
-- or copy it into the folder "Personal Lua Plugins" that Wireshark names under
-- Help, About, Folders.  In: the header that Wireshark's own GENEVE dissector
-- has found.  Out: a tree "Sluice" with the fields sluice.*, and sluice.drop
-- where the proxy drops the packet for what stands in its header.
--
-- GENEVE hands options of classes that it does not know to nobody, so this is
-- a postdissector.  Of nested tunnels it reads the outermost alone: what lies
-- deeper was sent by a guest, and proves nothing.
--
-- The rules are those of wire-format.md; drops have the names of lib/drop.def
-- and are found in the order in which lib/geneve.c finds them.

local sluice = Proto("sluice", "Sluice log metadata")

sluice.prefs.class = Pref.string(
    "Option class", "0xff53",
    "As other_config:sluice-option-class of the Open_vSwitch table has it")

local f = {
    meta_version = ProtoField.uint8("sluice.meta.version", "Format version"),
    meta_flags = ProtoField.uint8("sluice.meta.flags", "Flags", base.HEX),
    meta_trace = ProtoField.bool("sluice.meta.flags.trace", "Trace event",
                                 8, nil, 0x01),
    meta_truncated = ProtoField.bool("sluice.meta.flags.truncated",
                                     "Inner frame truncated", 8, nil, 0x02),
    meta_port = ProtoField.uint32("sluice.meta.port", "OpenFlow port"),
    vm = ProtoField.guid("sluice.vm", "VM"),
    tenant = ProtoField.uint32("sluice.tenant", "Tenant"),
    time = ProtoField.absolute_time("sluice.time", "Time", base.UTC),
    seq_epoch = ProtoField.uint32("sluice.seq.epoch", "Epoch"),
    seq_number = ProtoField.uint32("sluice.seq.number", "Sequence number"),
    activity = ProtoField.bytes("sluice.activity", "Activity"),
    auth = ProtoField.bytes("sluice.auth", "Authentication"),
    owner_pid = ProtoField.uint32("sluice.owner.pid", "Process id"),
    owner_uid = ProtoField.uint32("sluice.owner.uid", "User id"),
    split_id = ProtoField.uint16("sluice.split.id", "Split frame"),
    split_index = ProtoField.uint8("sluice.split.index", "Part"),
    split_count = ProtoField.uint8("sluice.split.count", "Parts"),
    name = ProtoField.string("sluice.name", "VM name", base.UNICODE),
    unknown = ProtoField.bytes("sluice.unknown", "Unknown option"),
    drop = ProtoField.string("sluice.drop", "Dropped by the proxy"),
}
sluice.fields = f

local dropped = ProtoExpert.new("sluice.dropped", "Dropped by the proxy",
                                expert.group.PROTOCOL, expert.severity.WARN)
sluice.experts = { dropped }

local geneve_headers = Field.new("geneve")

-- What each type holds: 'size' is the number of bytes of data, which 'varies'
-- says is the most; 'show' adds 'data' to 'tree' and returns the name of a
-- drop if the proxy does not take it.
local options = {
    [0x01] = { name = "META", size = 8, show = function(tree, data)
        tree:add(f.meta_version, data(0, 1))
        local flags = tree:add(f.meta_flags, data(1, 1))
        flags:add(f.meta_trace, data(1, 1))
        flags:add(f.meta_truncated, data(1, 1))
        tree:add(f.meta_port, data(4, 4))
        if data(0, 1):uint() ~= 1 then
            return "geneve-version"
        end
    end },
    [0x02] = { name = "VM", size = 16, show = function(tree, data)
        tree:add(f.vm, data)
    end },
    [0x03] = { name = "TENANT", size = 4, show = function(tree, data, vni)
        tree:add(f.tenant, data)
        if data:uint() ~= vni then
            return "tenant-vni"
        end
    end },
    [0x04] = { name = "TIME", size = 8, show = function(tree, data)
        local ns = data:uint64()
        local second = UInt64(1000000000)
        tree:add(f.time, data, NSTime((ns / second):tonumber(),
                                      (ns % second):tonumber()))
    end },
    [0x05] = { name = "SEQUENCE", size = 8, show = function(tree, data)
        tree:add(f.seq_epoch, data(0, 4))
        tree:add(f.seq_number, data(4, 4))
    end },
    [0x06] = { name = "ACTIVITY", size = 16, show = function(tree, data)
        tree:add(f.activity, data)
    end },
    [0x07] = { name = "AUTH", size = 8, show = function(tree, data)
        tree:add(f.auth, data)
    end },
    [0x08] = { name = "OWNER", size = 8, show = function(tree, data)
        tree:add(f.owner_pid, data(0, 4))
        tree:add(f.owner_uid, data(4, 4))
    end },
    [0x89] = { name = "SPLIT", size = 4, show = function(tree, data)
        tree:add(f.split_id, data(0, 2))
        tree:add(f.split_index, data(2, 1))
        tree:add(f.split_count, data(3, 1))
        if data(3, 1):uint() < 2 or data(2, 1):uint() >= data(3, 1):uint() then
            return "split-malformed"
        end
    end },
    [0x0a] = { name = "NAME", size = 64, varies = true,
               show = function(tree, data)
        if data then
            tree:add(f.name, data, data:stringz(ENC_UTF_8))
        end
    end },
}

-- Shows the option at 'offset' of 'block', which ends at 'limit'.  Returns the
-- offset behind it, nil if it does not fit, and the name of a drop or nil.
-- Sets seen[type].
local function show_option(tree, block, offset, limit, vni, class, seen)
    if limit - offset < 4 then
        return nil, "option-length"
    end
    local is_ours = block(offset, 2):uint() == class
    local type = block(offset + 2, 1):uint()
    local size = (block(offset + 3, 1):uint() % 32) * 4
    local behind = offset + 4 + size
    if behind > limit then
        return nil, "option-length"
    end

    local option = options[type]
    local is_critical = type >= 0x80
    if not is_ours then
        return behind, is_critical and "option-critical" or nil
    end

    local whole = block(offset, 4 + size)
    local data = size > 0 and block(offset + 4, size) or nil
    if not option then
        tree:add(f.unknown, whole)
        return behind, is_critical and "option-critical" or nil
    end
    if size > option.size or (size < option.size and not option.varies) then
        tree:add(f.unknown, whole)
        return behind, "option-length"
    end
    if seen[type] then
        tree:add(f.unknown, whole)
        return behind, "option-duplicate"
    end
    seen[type] = true
    return behind, option.show(tree:add(whole, option.name), data, vni)
end

-- Returns the name of the drop that the base header of 'header' is worth, or
-- nil, and the number of bytes of header and options, 0 if there is nothing to
-- look at: the header is cut short or of another version.
local function check_base(header)
    if header:len() < 8 or header(0, 1):uint() >= 0x40 then
        return nil, 0
    end
    local limit = 8 + (header(0, 1):uint() % 64) * 4
    if header(1, 1):uint() >= 0x80 then
        return "geneve-control", math.min(limit, header:len())
    elseif header(2, 2):uint() ~= 0x6558 then
        return "geneve-protocol", math.min(limit, header:len())
    elseif header:len() < limit then
        return "geneve-truncated", header:len()
    end
    return nil, limit
end

-- Whether an option of our class begins before 'limit'.
local function has_ours(header, limit, class)
    local offset = 8
    while offset + 4 <= limit do
        if header(offset, 2):uint() == class then
            return true
        end
        offset = offset + 4 + (header(offset + 3, 1):uint() % 32) * 4
    end
    return false
end

function sluice.dissector(tvb, pinfo, root)
    local outermost = geneve_headers()
    if not outermost then
        return
    end

    local class = tonumber(sluice.prefs.class) or 0xff53
    local header = outermost.range
    local drop, limit = check_base(header)
    if not has_ours(header, limit, class) then
        return                  -- Somebody else's tunnel.
    end

    local tree = root:add(sluice, header(0, limit))
    local vni = header(4, 3):uint()
    local seen = {}
    local offset = 8
    while offset and offset < limit do
        local why
        offset, why = show_option(tree, header, offset, limit, vni, class,
                                  seen)
        drop = drop or why
    end
    if vni == 0 then
        drop = drop or "tenant-unknown"
    elseif not seen[0x03] then
        -- log_tunnel leaves TENANT out; the VNI says the same.
        tree:add(f.tenant, header(4, 3), vni)
    end
    if drop then
        tree:add(f.drop, drop):set_generated()
        tree:add_proto_expert_info(dropped, "The proxy drops this: " .. drop)
    end
end

register_postdissector(sluice)
