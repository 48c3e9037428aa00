package processing

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/processors"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"

	_ "github.com/podbeat/podbeat/processors/k8sname"
	_ "github.com/podbeat/podbeat/processors/pausedrop"
)

type carrier struct{ *prepared.Document }

func (c carrier) Prepared() *prepared.Document { return c.Document }

const (
	web   = "k8s_web_web-7d4b9c8f6-x2v5k_shop_8f6c2a1e-0000-4000-8000-000000000000_0"
	pause = "k8s_POD_web-7d4b9c8f6-x2v5k_shop_8f6c2a1e-0000-4000-8000-000000000000_0"
)

// TestDocuments: with these settings documents stay documents, and in any case the event that an output
// gets is the one it would have got of an ordinary event.
func TestDocuments(t *testing.T) {
	const es = "output.elasticsearch.hosts: [x]\n"
	f := func(yaml string, local []common.MapStr, wantDocument bool) {
		t.Helper()
		_, s := begin(t, config(t, yaml))
		defer s.Close()
		var list []beat.Processor
		for _, one := range local {
			list = append(list, processorOf(t, one))
		}
		for _, container := range []string{web, pause, "some-name"} {
			tmpl := prepared.New(common.MapStr{"message": encode.Hole(0), "container": common.MapStr{"name": container}, "tags": []string{"a"}}, common.MapStr{"index_prefix": "x"})
			cfg := beat.ProcessingConfig{Fields: common.MapStr{"input": common.MapStr{"type": "journal"}}, Processor: processorList(list)}
			p, plain := create(t, s, cfg), create(t, s, cfg)
			for i := range 3 {
				d := &prepared.Document{Template: tmpl, ID: fmt.Sprint(i), Values: []prepared.Value{prepared.String(fmt.Sprint("text ", i))}}
				e := &beat.Event{Timestamp: time.Unix(int64(i), 0), Private: carrier{d}}
				own := *e
				d.Fill(&own)
				want, wantErr := plain.Run(&own)
				got, err := p.Run(e)
				if (got == nil) != (want == nil) || (err == nil) != (wantErr == nil) {
					t.Fatalf("%s: got %v, %v; want %v, %v", container, got, err, want, wantErr)
				}
				if got == nil {
					continue
				}
				if is := prepared.Of(got) != nil; is != wantDocument {
					t.Fatalf("%s: is a document: %v", container, is)
				}
				prepared.Ordinary(got)
				if !reflect.DeepEqual(got.Fields, want.Fields) || !reflect.DeepEqual(got.Meta, want.Meta) || !got.Timestamp.Equal(want.Timestamp) {
					t.Errorf("%s: got  %v %v\nwant %v %v", container, got.Fields, got.Meta, want.Fields, want.Meta)
				}
			}
		}
	}
	k8sname, pausedrop := common.MapStr{"k8sname": nil}, common.MapStr{"pausedrop": nil}
	f(es, nil, true)
	f(es+"processors: [{k8sname: ~}, {pausedrop: ~}]", nil, true)
	f(es+"processors: [{k8sname: {schema: both, index_beat: other}}, {add_fields: {fields: {message: x}}}]\ntags: [b]\nfields: {a: {b: c}}", nil, true)
	f(es, []common.MapStr{k8sname, pausedrop, {"add_tags": common.MapStr{"tags": []string{"c"}}}}, true)

	f("output.console: {}", nil, false)
	f("processors: [{k8sname: ~}]", nil, false)
	f(es+"queue.disk.max_size: 10MB", nil, false)
	f("output.elasticsearch: {hosts: [x], enabled: false}\noutput.console: {}", nil, false)
	f(es+"timeseries.enabled: false", nil, true)
	f(es+"processors: [{k8sname: {when.equals.message: text 1}}]", nil, false)
	f(es+"processors: [{k8sname: {field: [message]}}]", nil, false)
	f(es+"processors: [{drop_fields: {fields: [tags]}}]", nil, false)
	f(es+"processors: [{if: {equals: {message: text 1}}, then: [{k8sname: ~}]}]", nil, false)
	f(es, []common.MapStr{{"drop_event": common.MapStr{"when": common.MapStr{"equals": common.MapStr{"message": "text 1"}}}}}, false)
}

func processorOf(t *testing.T, one common.MapStr) beat.Processor {
	t.Helper()
	list, err := processors.New(processors.PluginConfig{common.MustNewConfigFrom(one)})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

type processorList []beat.Processor

func (l processorList) All() []beat.Processor { return l }
func (l processorList) Close() error          { return nil }
func (l processorList) String() string        { return "test" }
func (l processorList) Run(e *beat.Event) (*beat.Event, error) {
	panic("libbeat takes the list apart")
}
