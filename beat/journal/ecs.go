package journal

import (
	"math"
	"slices"
	"strings"
)

// ecsFields says where the journal's fields go with `schema: ecs`. The names are Filebeat 7.17's,
// and those of Filebeat 8 and 9 where ECS has moved on:
//
//	syslog.identifier, syslog.pid     → log.syslog.appname, log.syslog.procid
//	syslog.priority, syslog.facility  → log.syslog.priority, log.syslog.facility.code
//	journald.pid, .uid, .gid          → process.pid, user.id, user.group.id
//	journald.process.name …           → process.name, process.executable, process.command_line
//	journald.process.capabilities     → journald.capabilities
//
// What Filebeat leaves out is kept: the times that programs state themselves are fields. What it
// makes up is not: process.args cannot be had back from _CMDLINE, whose arguments are joined by
// spaces; user.id is the process's user, and the login's is journald.audit.login_uid; what an
// OBJECT_ field says stays below journald.object.
//
// A name that is not here goes to journald.custom.<name>, as Filebeat has it; what most entries of
// some systems have is here only to save a map in each event.
var ecsFields = [...]struct {
	name, path string
	kind       valueKind
}{
	{"_HOSTNAME", "host.hostname", keyword}, // host.name as well: see ecs
	{"_MACHINE_ID", "host.id", keyword},
	{"_BOOT_ID", "journald.host.boot_id", keyword},

	{"PRIORITY", "log.syslog.priority", long},
	{"SYSLOG_FACILITY", "log.syslog.facility.code", long},
	{"SYSLOG_IDENTIFIER", "log.syslog.appname", keyword},
	{"SYSLOG_PID", "log.syslog.procid", keyword}, // may end in ",user"
	{"SYSLOG_TIMESTAMP", "journald.syslog_timestamp", unique},
	{"_SOURCE_REALTIME_TIMESTAMP", "journald.source_realtime_timestamp", counter},
	{"_SOURCE_MONOTONIC_TIMESTAMP", "journald.source_monotonic_timestamp", counter},

	{"_PID", "process.pid", long},
	{"_COMM", "process.name", keyword},
	{"_EXE", "process.executable", keyword},
	{"_CMDLINE", "process.command_line", keyword},
	{"_CAP_EFFECTIVE", "journald.capabilities", keyword},
	{"_UID", "user.id", keyword},
	{"_GID", "user.group.id", keyword},
	{"_SELINUX_CONTEXT", "journald.selinux_context", keyword},
	{"_AUDIT_LOGINUID", "journald.audit.login_uid", long},
	{"_AUDIT_SESSION", "journald.audit.session", keyword},

	{"_SYSTEMD_CGROUP", "systemd.cgroup", keyword},
	{"_SYSTEMD_INVOCATION_ID", "systemd.invocation_id", keyword},
	{"_SYSTEMD_OWNER_UID", "systemd.owner_uid", long},
	{"_SYSTEMD_SESSION", "systemd.session", keyword},
	{"_SYSTEMD_SLICE", "systemd.slice", keyword},
	{"_SYSTEMD_UNIT", "systemd.unit", keyword},
	{"_SYSTEMD_USER_SLICE", "systemd.user_slice", keyword},
	{"_SYSTEMD_USER_UNIT", "systemd.user_unit", keyword},
	{"_TRANSPORT", "systemd.transport", keyword},
	{"UNIT", "journald.unit", keyword},
	{"USER_UNIT", "journald.user_unit", keyword},
	{"MESSAGE_ID", "message_id", keyword},

	{"CONTAINER_ID", "container.id_truncated", keyword},
	{"CONTAINER_ID_FULL", "container.id", keyword},
	{"CONTAINER_NAME", "container.name", keyword},
	{"CONTAINER_TAG", "container.log.tag", keyword},
	{"IMAGE_NAME", "container.image.name", keyword},
	{"CONTAINER_PARTIAL_MESSAGE", "container.partial", boolean},
	{"CONTAINER_LOG_EPOCH", "container.log.epoch", keyword},
	{"CONTAINER_LOG_ORDINAL", "container.log.ordinal", counter},

	{"CODE_FILE", "journald.code.file", keyword},
	{"CODE_FUNC", "journald.code.func", keyword},
	{"CODE_LINE", "journald.code.line", long},
	{"COREDUMP_UNIT", "journald.coredump.unit", keyword},
	{"COREDUMP_USER_UNIT", "journald.coredump.user_unit", keyword},
	{"_KERNEL_DEVICE", "journald.kernel.device", keyword},
	{"_KERNEL_SUBSYSTEM", "journald.kernel.subsystem", keyword},
	{"_UDEV_DEVLINK", "journald.kernel.device_symlinks", keyword},
	{"_UDEV_DEVNODE", "journald.kernel.device_node_path", keyword},
	{"_UDEV_SYSNAME", "journald.kernel.device_name", keyword},
	{"OBJECT_AUDIT_LOGINUID", "journald.object.audit.login_uid", long},
	{"OBJECT_AUDIT_SESSION", "journald.object.audit.session", keyword},
	{"OBJECT_CMDLINE", "journald.object.process.command_line", keyword},
	{"OBJECT_COMM", "journald.object.process.name", keyword},
	{"OBJECT_EXE", "journald.object.process.executable", keyword},
	{"OBJECT_GID", "journald.object.gid", long},
	{"OBJECT_PID", "journald.object.pid", long},
	{"OBJECT_SYSTEMD_OWNER_UID", "journald.object.systemd.owner_uid", long},
	{"OBJECT_SYSTEMD_SESSION", "journald.object.systemd.session", keyword},
	{"OBJECT_SYSTEMD_UNIT", "journald.object.systemd.unit", keyword},
	{"OBJECT_SYSTEMD_USER_UNIT", "journald.object.systemd.user_unit", keyword},
	{"OBJECT_UID", "journald.object.uid", long},
}

// valueKind is how a value is written. A value that is no long or no boolean is written as text
// below journald.custom, so that it does not clash with the field's mapping.
type valueKind byte

const (
	keyword valueKind = iota
	unique            // a keyword that is another one in each entry
	long
	counter // a long that is another one in each entry
	boolean
)

// levels and facilities are syslog's names, by PRIORITY and SYSLOG_FACILITY.
var (
	levels     = boxed("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
	facilities = boxed("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7")
)

func boxed(names ...string) []any {
	out := make([]any, len(names))
	for i, n := range names {
		out[i] = n
	}
	return out
}

// A group is an object in the events: a map within another group's map.
type group struct {
	parent int // index of the group it is in; the first is the event itself
	key    string
}

// The groups that are written by name; ecsFields add theirs. Nothing is added once podbeat runs.
var (
	groups    = []group{{}}
	gEvent    = groupOf("event")
	gHost     = groupOf("host")
	gLog      = groupOf("log")
	gSource   = groupOf("log.source")
	gFacility = groupOf("log.syslog.facility")
	gJournald = groupOf("journald")
	gCustom   = groupOf("journald.custom")
)

// gRoot is the event itself.
const gRoot = 0

// groupOf returns the index of the group at a dotted path, which it makes if it is new.
func groupOf(path string) int {
	at := 0
	for key := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '.' }) {
		next := slices.IndexFunc(groups, func(g group) bool { return g.parent == at && g.key == key })
		if next < 0 {
			next = len(groups)
			groups = append(groups, group{parent: at, key: key})
		}
		at = next
	}
	return at
}

// place is where a mapped field goes.
type place struct {
	group int
	key   string
	kind  valueKind
}

// places are ecsFields by the journal's name.
var places = func() map[string]*place {
	out := make(map[string]*place, len(ecsFields))
	for _, f := range ecsFields {
		dot := strings.LastIndexByte(f.path, '.')
		out[f.name] = &place{groupOf(f.path[:max(dot, 0)]), f.path[dot+1:], f.kind}
	}
	return out
}()

// beginECS writes what every event has.
func (c *converter) beginECS(e *Entry) {
	event := c.group(gEvent)
	event["kind"] = "event"
	c.tick()
	event["created"] = c.createdAs
	if e.Seqnum <= math.MaxInt64 {
		event["sequence"] = int64(e.Seqnum)
	}
	if cursor := e.cursor(); cursor != "" {
		c.group(gJournald)["cursor"] = cursor
	}
}

// addECS writes one field.
func (c *converter) addECS(f *field, value string, boxed, number any, again bool) {
	p := f.place
	if p == nil {
		put(c.group(gCustom), f.custom, c.numberValue(f, value, boxed))
		return
	}
	switch p.kind {
	case long, counter:
		if again {
			boxed = c.tidy(f, value)
		}
		if number == nil || again {
			put(c.group(gCustom), f.custom, boxed)
			return
		}
		boxed = number
		if f.role == roleFacility && c.opts.ParseSyslogFacility {
			if n := number.(int64); 0 <= n && n < int64(len(facilities)) {
				c.group(gFacility)["name"] = facilities[n]
			}
		}
	case boolean:
		if again || value != "true" && value != "false" {
			put(c.group(gCustom), f.custom, boxed)
			return
		}
		boxed = value == "true"
	}
	if m := c.group(p.group); again {
		put(m, p.key, boxed)
	} else {
		m[p.key] = boxed
	}
}

// endECS writes what follows from the fields.
func (c *converter) endECS() {
	if host := c.maps[gHost]["hostname"]; host != nil {
		// libbeat leaves a name alone that is there; its own would be the pod's.
		c.maps[gHost]["name"] = host
	}
	if c.container {
		c.group(gLog)["stream"] = "console"
	}
}
