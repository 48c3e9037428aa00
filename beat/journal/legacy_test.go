package journal

import (
	"fmt"
	"testing"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/processors"
	_ "github.com/elastic/beats/v7/libbeat/processors/actions"
)

func TestLegacy(t *testing.T) {
	f := func(path string, want any, fields ...string) {
		t.Helper()
		const config = "{move_metadata_to_field: journal, convert_to_numbers: true}"
		if got := fieldOf(t, config, path, fields...); fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", want, want) {
			t.Errorf("%q: %s is %T %v, want %T %v", fields, path, got, got, want, want)
		}
	}
	// What counts or measures becomes a number, if it is one.
	f("journal.pid", int64(12), "_PID=12")
	f("journal.latency", 0.25, "LATENCY=0.25")
	f("journal.offset", int64(-3), "OFFSET=-3")
	f("journal.errno", int64(9007199254740993), "ERRNO=9007199254740993")
	f("journal.errno", "9223372036854775808", "ERRNO=9223372036854775808")
	f("journal.errno", "0.1234567890123456789", "ERRNO=0.1234567890123456789")
	for _, text := range []string{"NaN", "nan", "Inf", "-inf", "+1", "1e3", "0x10", "1_000", "007", "-0", "-0.0", ".5", "5.", "", " 1", "1 ", "-", "."} {
		f("journal.errno", text, "ERRNO="+text)
	}
	f("journal.done", true, "DONE=TRUE")
	f("journal.done", false, "DONE=false")
	f("journal.done", "yes", "DONE=yes")

	// The message, ids and names stay what they are: M-63, A-103.
	f("message", "12", "MESSAGE=12")
	f("message", "true", "MESSAGE=true")
	for name, path := range map[string]string{
		"CONTAINER_ID": "container_id", "CONTAINER_ID_FULL": "container_id_full", "CONTAINER_NAME": "container_name",
		"CONTAINER_TAG": "container_tag", "_HOSTNAME": "hostname", "_MACHINE_ID": "machine_id", "_BOOT_ID": "boot_id",
		"MESSAGE_ID": "message_id", "_SYSTEMD_UNIT": "systemd_unit", "_SYSTEMD_INVOCATION_ID": "systemd_invocation_id",
		"SYSLOG_IDENTIFIER": "syslog_identifier", "_COMM": "comm", "_EXE": "exe", "_CMDLINE": "cmdline", "IMAGE_NAME": "image_name",
		"_CAP_EFFECTIVE": "cap_effective", "USER_ID": "user_id", "GIT_HASH": "git_hash", "_STREAM_ID": "stream_id",
	} {
		f("journal."+path, "12345678", name+"=12345678")
		f("journal."+path, "true", name+"=true")
	}

	// Names that only journald or podbeat can give are not taken by others.
	f("journal.hostname", "node", "HOSTNAME=forged", "_HOSTNAME=node")
	f("journal.hostname_other", "forged", "HOSTNAME=forged", "_HOSTNAME=node")
	f("journal.realtime_timestamp", int64(1_700_000_000_000_000), "REALTIME_TIMESTAMP=1")
	f("journal.cursor_other", "forged", "CURSOR=forged")
}

// Without move_metadata_to_field the fields stand at the root, beside what others write there.
func TestLegacyRoot(t *testing.T) {
	f := func(config, path string, want any, fields ...string) {
		t.Helper()
		if got := fieldOf(t, config, path, fields...); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: %s is %v, want %v", fields, path, got, want)
		}
	}
	f("schema: legacy", "container_name", "c", "CONTAINER_NAME=c")
	f("schema: legacy", "host_other", "h", "HOST=h")
	f("schema: legacy", "type", "journal", "TYPE=t")
	f("schema: legacy", "type_other", "t", "TYPE=t")
	f("schema: legacy", "message_other", "b", "MESSAGE=a", "MESSAGE=b")
	f("{schema: legacy, clean_field_names: false}", "_HOSTNAME", "n", "_HOSTNAME=n")
	f("{schema: legacy, clean_field_names: false}", "_id_other", "x", "_id=x")
	f("{schema: both}", "journal.hostname", "n", "_HOSTNAME=n")
	f("{schema: both}", "host.hostname", "n", "_HOSTNAME=n")
	f("{schema: both, move_metadata_to_field: old.journal}", "old.journal.hostname", "n", "_HOSTNAME=n")
}

func TestMoveMetadataToFieldRefused(t *testing.T) {
	f := func(target string, ok bool) {
		t.Helper()
		o := testConverter(t, "{}").opts
		o.MoveMetadataToField = target
		if err := o.Validate(); (err == nil) != ok {
			t.Errorf("move_metadata_to_field %q: %v", target, err)
		}
	}
	f("journal", true)
	f("a.b", true)
	f("container", false)
	f("log.journal", false)
	f("@timestamp", false)
	f("a..b", false)
}

// The configuration of M-56 keeps the entries of containers, with the fields of M-67 and with type,
// which libbeat always keeps.
func TestJournalbeatConfiguration(t *testing.T) {
	cfg, err := common.NewConfigFrom(`
processors:
- drop_event:
    when:
      not:
        regexp:
          journal.container_name: "^.+"
- include_fields:
    fields: [ "journal.container_name",
              "journal.hostname",
              "journal.container_id",
              "journal.realtime_timestamp",
              "message",
              "@metadata"
            ]
`)
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Processors processors.PluginConfig `config:"processors"`
	}
	if err := cfg.Unpack(&c); err != nil {
		t.Fatal(err)
	}
	list, err := processors.New(c.Processors)
	if err != nil {
		t.Fatal(err)
	}
	f := func(path, want string) {
		t.Helper()
		event := testConverter(t, "{clean_field_names: true, convert_to_numbers: true, move_metadata_to_field: journal}").
			event(single(entryOf(t, path)))
		got, err := list.Run(&event)
		if err != nil {
			t.Fatal(err)
		}
		if got == nil {
			if want != "" {
				t.Errorf("%s: dropped", path)
			}
			return
		}
		delete(got.Fields, "@metadata") // libbeat 7 copies it, because include_fields names it
		if text := got.Fields.String(); text != want {
			t.Errorf("%s: %s, want %s", path, text, want)
		}
		if got.Meta["_id"] == nil {
			t.Errorf("%s: @metadata is %v", path, got.Meta)
		}
	}
	f("testdata/events/unit.txt", "")
	f("testdata/events/docker.txt", `{"journal":{"container_id":"0f1e2d3c4b5a",`+
		`"container_name":"k8s_kube-controller-manager.905f3855_kube-controller-manager-kvm-009660_kube-system_7cc96a847ece6fad70a98b9db56bd08d_01130b8b",`+
		`"hostname":"kvm-009660.novalocal","realtime_timestamp":1494323963862751},`+
		`"message":"2017-05-09 09:59:23.854320 I | flags: recognized and used environment variable","type":"journal"}`)
}
