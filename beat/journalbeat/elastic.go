package journalbeat

import (
	"fmt"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// elasticOptions are the names that Elastic's journalbeat knows in its section.
type elasticOptions struct {
	Inputs       any            `config:"inputs"`
	RegistryFile any            `config:"registry_file"`
	Globals      elasticGlobals `config:",inline"`
}

// elasticGlobals are options of inputs that once stood in the section itself.
type elasticGlobals struct {
	Backoff        any `config:"backoff"`
	MaxBackoff     any `config:"max_backoff"`
	Seek           any `config:"seek"`
	IncludeMatches any `config:"include_matches"`
}

// elasticInput are the names that an input of Elastic's journalbeat knows.
type elasticInput struct {
	Paths              any            `config:"paths"`
	ID                 any            `config:"id"`
	Enabled            any            `config:"enabled"`
	CursorSeekFallback any            `config:"cursor_seek_fallback"`
	BackoffFactor      any            `config:"backoff_factor"`
	SaveRemoteHostname any            `config:"save_remote_hostname"`
	Fields             any            `config:"fields"`
	FieldsUnderRoot    any            `config:"fields_under_root"`
	Tags               any            `config:"tags"`
	Processors         any            `config:"processors"`
	Index              any            `config:"index"`
	Pipeline           any            `config:"pipeline"`
	KeepNull           any            `config:"keep_null"`
	PublisherPipeline  any            `config:"publisher_pipeline"`
	Globals            elasticGlobals `config:",inline"`
}

// localJournal is what Elastic's registry calls the local journal.
const localJournal = "LOCAL_SYSTEM_JOURNAL"

// elasticInputs makes an input for each path, which is how Elastic's journalbeat read them: each
// by itself, with a position of its own.
func (m *migration) elasticInputs(settings []setting) ([]*yaml.Node, error) {
	if err := known(settings, "journalbeat", &elasticOptions{}); err != nil {
		return nil, err
	}
	given := find(settings, "inputs")
	if given == nil || given.Kind != yaml.SequenceNode || len(given.Content) == 0 {
		return nil, fmt.Errorf("option journalbeat.inputs is no list of inputs")
	}
	var globals []setting
	for _, s := range settings {
		if s.name != "inputs" && s.name != "registry_file" {
			globals = append(globals, s)
		}
	}
	registry, assumed := m.registry(settings)
	var out []*yaml.Node
	for i, node := range given.Content {
		inputs, err := m.elasticInput(node, globals, registry)
		if err != nil {
			return nil, fmt.Errorf("journalbeat.inputs.%d: %w", i, err)
		}
		out = append(out, inputs...)
	}
	if assumed && m.resumes {
		m.warn("cursor_state_file: journalbeat's registry is expected at %s, where its packages have it: correct this if it was started with another --path.data (before 7.0 also the folder it was started in)", quote(registry))
	}
	if len(out) == 1 {
		setID(out[0], "journal")
	} else {
		for i, n := range out {
			setID(n, fmt.Sprintf("journal-%d", i+1))
		}
	}
	if len(out) > len(given.Content) {
		m.note("each path has become an input: journalbeat read each by itself, with a position of its own")
	}
	m.note("podbeat takes over journalbeat's positions at its first start: stop journalbeat before")
	m.note("the fields have their ECS names, which are not journalbeat's for some: container.image.tag is container.log.tag, process.cmd is process.command_line, syslog.* is log.syslog.*")
	return out, nil
}

// elasticInput makes the inputs of one of journalbeat's.
func (m *migration) elasticInput(node *yaml.Node, globals []setting, registry string) ([]*yaml.Node, error) {
	if node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("it is no input")
	}
	var settings []setting
	for i := 0; i+1 < len(node.Content); i += 2 {
		s := setting{node.Content[i].Value, node.Content[i], resolve(node.Content[i+1])}
		if has(settings, s.name) {
			return nil, fmt.Errorf("option %s is there twice", s.name)
		}
		settings = append(settings, s)
	}
	if err := known(settings, "journalbeat input", &elasticInput{}); err != nil {
		return nil, err
	}
	for _, g := range globals {
		if !has(settings, g.name) {
			settings = append(settings, g)
		}
	}
	seek := find(settings, "seek")
	if err := oneOf("seek", seek, "cursor", "head", "tail"); err != nil {
		return nil, err
	}
	if is(seek, "tail") {
		m.warn("seek: tail skips at every start what was logged while podbeat was down: seek: cursor skips nothing")
	}
	if is(find(settings, "cursor_seek_fallback"), "tail") {
		m.warn("cursor_seek_fallback: tail skips what was logged before the first start: head skips nothing")
	}
	paths, err := list("paths", find(settings, "paths"))
	if err != nil {
		return nil, err
	}
	journals := paths
	if len(journals) == 0 {
		journals = []string{localJournal}
	}
	var out []*yaml.Node
	for _, journal := range journals {
		in := newInput("")
		for _, s := range settings {
			if err := m.elasticOption(in, s); err != nil {
				return nil, err
			}
		}
		if len(paths) > 0 {
			in.set("paths", listNode([]string{journal}))
		}
		if !is(seek, "head") && !is(seek, "tail") {
			in.set("cursor_state_file", str(registry+"#"+journal))
			m.resumes = true
		}
		if len(journals) > 1 { // an id belongs to one input
			in.drop("id")
		}
		out = append(out, in.done())
	}
	return out, nil
}

// elasticOption gives an input one of journalbeat's options.
func (m *migration) elasticOption(in *input, s setting) error {
	switch s.name {
	case "paths":
		in.skip(s, "")
	case "max_backoff", "backoff_factor":
		const reason = "podbeat hears of new entries from the kernel"
		in.skip(s, reason)
		m.note("left out %s: %s", s.name, reason)
	case "backoff":
		in.move("poll_interval", s)
	case "id":
		in.drop("id")
		in.move("id", s)
	case "include_matches":
		matches, err := list("include_matches", s.value)
		if err != nil {
			return err
		}
		if isVariable(s.value) {
			m.warn("include_matches is %s: several matches in the variable must all match in podbeat, put + between them to have each suffice", quote(s.value.Value))
		}
		for i, x := range matches {
			matches[i] = journalMatch(x)
		}
		if len(matches) > 0 {
			s.value = listNode(alternatives(matches))
			in.move("include_matches", s)
		}
	case "processors":
		m.includeFields(s.value, nil)
		in.move(s.name, s)
	default:
		in.move(s.name, s)
	}
	return nil
}

// drop takes an option back.
func (in *input) drop(name string) {
	c := in.node.Content
	for i := 0; i+1 < len(c); i += 2 {
		if c[i].Value == name {
			in.node.Content = append(c[:i:i], c[i+2:]...)
			return
		}
	}
}

// setID gives an input an id behind its type, unless it has one.
func setID(in *yaml.Node, id string) {
	for i := 0; i+1 < len(in.Content); i += 2 {
		if in.Content[i].Value == "id" {
			if in.Content[i+1].Value == "" {
				in.Content[i+1] = str(id)
			}
			return
		}
	}
	in.Content = append(in.Content[:2:2], append([]*yaml.Node{str("id"), str(id)}, in.Content[2:]...)...)
}

// registry is where the registry of Elastic's journalbeat is, or is assumed to be.
func (m *migration) registry(settings []setting) (path string, assumed bool) {
	file := "registry"
	if f := find(settings, "registry_file"); f != nil && f.Value != "" {
		file = f.Value
	}
	if filepath.IsAbs(file) || strings.HasPrefix(file, "${") {
		return file, false
	}
	options := m.doc.options()
	data, home := options["path.data"], options["path.home"]
	switch {
	case data != nil && data.Value != "":
		m.ownRegistry(file)
		return data.Value + "/" + file, false
	case home != nil && home.Value != "":
		m.ownRegistry("data/" + file)
		return home.Value + "/data/" + file, false
	}
	return "/var/lib/journalbeat/" + file, true
}

// ownRegistry keeps podbeat's registry, a folder, apart from a file of journalbeat's.
func (m *migration) ownRegistry(file string) {
	if filepath.Base(file) == "registry" {
		m.doc.add("podbeat.registry.path", str("podbeat-registry"), "The file registry in path.data is journalbeat's.")
	}
}

// journalMatch turns a match on a field of journalbeat's events into one on the journal's.
func journalMatch(match string) string {
	name, value, ok := strings.Cut(match, "=")
	if field := journalFields[name]; ok && field != "" {
		return field + "=" + value
	}
	return match
}

// journalFields are the journal's fields by the names that Elastic's journalbeat gave them; 6.x,
// 7.x and 7.17 differ.
var journalFields = map[string]string{
	"container.id":                      "CONTAINER_ID_FULL",
	"container.id_truncated":            "CONTAINER_ID",
	"container.image.tag":               "CONTAINER_TAG",
	"container.log.tag":                 "CONTAINER_TAG",
	"container.name":                    "CONTAINER_NAME",
	"container.partial":                 "CONTAINER_PARTIAL_MESSAGE",
	"host.boot_id":                      "_BOOT_ID",
	"host.hostname":                     "_HOSTNAME",
	"host.id":                           "_MACHINE_ID",
	"host.name":                         "_HOSTNAME",
	"journald.audit.login_uid":          "_AUDIT_LOGINUID",
	"journald.audit.session":            "_AUDIT_SESSION",
	"journald.code.file":                "CODE_FILE",
	"journald.code.func":                "CODE_FUNC",
	"journald.code.line":                "CODE_LINE",
	"journald.coredump.unit":            "COREDUMP_UNIT",
	"journald.coredump.user_unit":       "COREDUMP_USER_UNIT",
	"journald.gid":                      "_GID",
	"journald.host.boot_id":             "_BOOT_ID",
	"journald.kernel.device":            "_KERNEL_DEVICE",
	"journald.kernel.device_name":       "_UDEV_SYSNAME",
	"journald.kernel.device_node_path":  "_UDEV_DEVNODE",
	"journald.kernel.device_symlinks":   "_UDEV_DEVLINK",
	"journald.kernel.subsystem":         "_KERNEL_SUBSYSTEM",
	"journald.object.audit.login_uid":   "OBJECT_AUDIT_LOGINUID",
	"journald.object.audit.session":     "OBJECT_AUDIT_SESSION",
	"journald.object.cmd":               "OBJECT_CMDLINE",
	"journald.object.executable":        "OBJECT_EXE",
	"journald.object.gid":               "OBJECT_GID",
	"journald.object.name":              "OBJECT_COMM",
	"journald.object.pid":               "OBJECT_PID",
	"journald.object.systemd.owner_uid": "OBJECT_SYSTEMD_OWNER_UID",
	"journald.object.systemd.session":   "OBJECT_SYSTEMD_SESSION",
	"journald.object.systemd.unit":      "OBJECT_SYSTEMD_UNIT",
	"journald.object.systemd.user_unit": "OBJECT_SYSTEMD_USER_UNIT",
	"journald.object.uid":               "OBJECT_UID",
	"journald.pid":                      "_PID",
	"journald.process.capabilities":     "_CAP_EFFECTIVE",
	"journald.process.command_line":     "_CMDLINE",
	"journald.process.executable":       "_EXE",
	"journald.process.name":             "_COMM",
	"journald.uid":                      "_UID",
	"log.syslog.facility.code":          "SYSLOG_FACILITY",
	"log.syslog.priority":               "PRIORITY",
	"message":                           "MESSAGE",
	"process.audit.login_uid":           "_AUDIT_LOGINUID",
	"process.audit.session":             "_AUDIT_SESSION",
	"process.cmd":                       "_CMDLINE",
	"process.executable":                "_EXE",
	"process.name":                      "_COMM",
	"process.pid":                       "_PID",
	"syslog.facility":                   "SYSLOG_FACILITY",
	"syslog.identifier":                 "SYSLOG_IDENTIFIER",
	"syslog.pid":                        "SYSLOG_PID",
	"syslog.priority":                   "PRIORITY",
	"systemd.cgroup":                    "_SYSTEMD_CGROUP",
	"systemd.invocation_id":             "_SYSTEMD_INVOCATION_ID",
	"systemd.owner_uid":                 "_SYSTEMD_OWNER_UID",
	"systemd.session":                   "_SYSTEMD_SESSION",
	"systemd.slice":                     "_SYSTEMD_SLICE",
	"systemd.transport":                 "_TRANSPORT",
	"systemd.unit":                      "_SYSTEMD_UNIT",
	"systemd.user_slice":                "_SYSTEMD_USER_SLICE",
	"systemd.user_unit":                 "_SYSTEMD_USER_UNIT",
}
