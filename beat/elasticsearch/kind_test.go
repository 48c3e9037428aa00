package elasticsearch

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/publisher"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
)

// documentOf makes a document of these fields and metadata, with these values in its holes.
func documentOf(at time.Time, id string, fields, meta common.MapStr, values ...prepared.Value) beat.Event {
	d := &prepared.Document{Template: prepared.New(fields, meta), ID: id, Values: values}
	return beat.Event{Timestamp: at, Private: mark{processed(d)}}
}

// What is sent of a document must be what is sent of the event that it stands for, whatever the output is told: its lane, too.
func TestDocumentsAreEvents(t *testing.T) {
	day := time.Date(2024, 5, 17, 12, 0, 0, 123456000, time.UTC)
	far := time.FixedZone("far", 14*60*60)
	f := func(yaml string, odd bool) {
		t.Helper()
		l, _, _ := newTestLane(t, newFake(t), yaml)
		for i, c := range []struct {
			fields, meta common.MapStr
			values       []prepared.Value
		}{
			{common.MapStr{"message": encode.Hole(0), "level": "x", "kubernetes": common.MapStr{"pod": common.MapStr{"uid": "u-1"}}}, common.MapStr{"index_prefix": "Pre"},
				[]prepared.Value{prepared.String("a<\"\n")}},
			{common.MapStr{"n": encode.Hole(0), "log": common.MapStr{"file": common.MapStr{"path": "/a"}}}, nil, []prepared.Value{prepared.Int(-3)}},
			{common.MapStr{"container": common.MapStr{"id": "c"}, "team": encode.Hole(0)}, common.MapStr{"pipeline": "Own"}, []prepared.Value{prepared.String("red")}},
			{common.MapStr{"systemd": common.MapStr{"unit": "a.service"}, "host": common.MapStr{"name": "node"}}, common.MapStr{"pipeline": 5}, nil},
			{common.MapStr{"level": "y"}, common.MapStr{"raw_index": "Own-Index", "op_type": "index"}, nil},
			{common.MapStr{"level": "z"}, common.MapStr{"index": "Own"}, nil},
			{common.MapStr{"level": "d"}, common.MapStr{"op_type": "delete"}, nil},
		} {
			for _, at := range []time.Time{day, day.AddDate(0, 0, 1), day.In(far), day.Add(-13 * time.Hour)} {
				l.dialect.withType = !l.dialect.withType
				ev := documentOf(at, "id\"\n", c.fields, c.meta, c.values...)
				plain := ev
				prepared.Ordinary(&plain)
				if sourceOf(l.client, &ev) != sourceOf(l.client, &plain) {
					t.Errorf("%s, %d: the document is of another source than the event", yaml, i)
				}
				doc, event := line(l, ev), line(l, plain)
				if doc != event {
					t.Errorf("%s, %d:\ndocument %s\nevent    %s", yaml, i, doc, event)
				}
			}
		}
		ev := documentOf(day, "id", common.MapStr{"level": "x"}, common.MapStr{"index_prefix": "p"})
		it := item{event: &publisher.Event{Content: ev}}
		if l.appendItem(nil, &it); (it.event.Content.Fields != nil) != odd {
			t.Errorf("%s: made an ordinary event of: %v, want %v", yaml, it.event.Content.Fields != nil, odd)
		}
	}
	f("index: logs", false)
	f("index: '%{[@metadata.index_prefix]:logstash-podbeat}-%{+yyyy.MM.dd}'", false)
	f("index: '%{[team]:none}-%{[level]:none}-%{+yyyy-MM}'", false)
	f("index: '%{[message]:none}'", false)
	f("index: '%{[log.file.path]:x}'", false)
	f("index: '%{[kubernetes]:x}'", false)
	f("index: '%{[level][deep]:x}'", true)
	f("index: '%{+yyyy.MM.dd.HH}'", true)
	f("index: 'x-%{[@metadata._id]:none}'", true)
	f("index: 'x-%{[@timestamp]:none}'", true)
	f("index: logs\npipeline: Geo", false)
	f("index: logs\npipeline: '%{[level]:none}'", false)
	f("index: logs\npipeline: '%{[team]:none}'\nescape_html: true", false)
	f("index: logs\nindices: [{index: reds, when.equals.team: red}]", true)
	f("index: logs\npipelines: [{pipeline: reds, when.equals.team: red}]", true)
	f("index: '%{[nosuch]}'", true)
}

// line returns the lines of one event, the document in them in an order of its own.
func line(l *lane, ev beat.Event) string {
	it := item{event: &publisher.Event{Content: ev}}
	b, err := l.appendItem(nil, &it)
	if err != nil {
		return err.Error()
	}
	action, doc, _ := strings.Cut(string(b), "\n")
	var fields map[string]any
	if doc != "" {
		fields = map[string]any{}
		if err := common.MustNewConfigFrom(doc).Unpack(&fields); err != nil {
			return err.Error()
		}
	}
	return fmt.Sprint(action, " ", fields, " ", it.id, it.index, it.op, string(b[it.source:]) == doc)
}

// An output that follows another must not go by what that has made of a kind.
func TestKindOfAnotherOutput(t *testing.T) {
	ev := documentOf(time.Unix(0, 0), "a", common.MapStr{"a": 1}, nil)
	for _, index := range []string{"one", "two"} {
		es := newFake(t)
		l, _, _ := newTestLane(t, es, "index: "+index)
		if got, err := publish(l, ev); got != "ack" || err != nil || es.docs[index+"/a"] == "" {
			t.Errorf("got %s %v %v", got, err, es.docs)
		}
	}
}

// A document that is refused is a letter like any other.
func TestDocumentRefused(t *testing.T) {
	for _, policy := range []string{"index: logs", "index: logs\nnon_indexable_policy.dead_letter_index.index: graves", "index: logs\nnon_indexable_policy.drop: ~"} {
		es := newFake(t, "400:mapper_parsing_exception 201")
		l, _, file := newTestLane(t, es, policy)
		told := &told{}
		a := documentOf(time.Unix(0, 0), "a", common.MapStr{"n": encode.Hole(0)}, nil, prepared.Int(7))
		told.mark = a.Private.(mark)
		a.Private = told
		b := documentOf(time.Unix(0, 0), "b", common.MapStr{"n": encode.Hole(0)}, nil, prepared.Int(8))
		if got, err := publish(l, a, b); got != "ack" || err != nil {
			t.Fatal(got, err)
		}
		text, _ := os.ReadFile(file)
		letters := string(text) + es.docs["graves/a"]
		const want = `"message":"{\"@timestamp\":\"1970-01-01T00:00:00.000Z\",\"n\":7}"`
		drops := strings.Contains(policy, "drop")
		if strings.Contains(strings.ReplaceAll(letters, " ", ""), want) == drops || es.docs["logs/b"] == "" || told.dropped != drops || told.buried == drops {
			t.Errorf("%q: letters %q, %+v", policy, letters, told)
		}
	}
}

type told struct {
	mark
	buried, dropped bool
}

func (t *told) DeadLettered() { t.buried = true }
func (t *told) Dropped()      { t.dropped = true }
