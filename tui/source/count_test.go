package source

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
)

// counted writes an hour of documents: one each 10 s, of which every 6th is an error, in some spelling, and every 7th has no level.
func counted(t *testing.T, p place) (pattern string) {
	t.Helper()
	pattern = p.pattern()
	var docs []written
	for i := range 2 {
		p.create(t, fmt.Sprintf("%s%d", pattern, i), 2, "date")
	}
	for i := range 360 {
		level := `"info"`
		switch {
		case i%6 == 0:
			level = fmt.Sprintf("%q", []string{"error", "ERR", "Fatal"}[i/6%3])
		case i%7 == 0:
			level = "null"
		case i%11 == 0:
			level = `"odd"`
		}
		app := []string{`"deployment":{"name":"web"},"replicaset":{"name":"web-1"}`, `"job":{"name":"copy-1"},"cronjob":{"name":"copy"}`, `"job":{"name":"once"}`, `"pod":{"name":"bare"}`}[i%4]
		docs = append(docs, written{fmt.Sprintf("%s%d", pattern, i%2), fmt.Sprint(i), fmt.Sprintf(
			`"@timestamp":"%s","message":"request %d took","plain":"word%d other","log":{"level":%s},"took":%d,"ratio":%g,"ok":%v,"region":"cn-%d","zone":"Zone.%d","kubernetes":{"namespace":"shop",%s},"event":{"created":"%s"}`,
			at(time.Duration(i)*10*time.Second), i%3, i%2, level, i, float64(i)/4, i%2 == 0, i%2, i%3, app, at(time.Duration(i)*10*time.Second+time.Duration(i%100)*time.Millisecond))})
	}
	p.write(t, docs...)
	return pattern
}

func TestCounts(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		v := Open(p.client, Options{Index: counted(t, p) + "*"}).View(Query{From: noon, To: noon.Add(time.Hour)})
		ctx := t.Context()

		count, meta, err := v.Count(ctx)
		if err != nil || count != (Count{N: 360}) || meta.Shards.Total == 0 {
			t.Errorf("%v documents (%v)", count, err)
		}
		newest, err := v.Newest(ctx)
		if err != nil || !newest.Equal(noon.Add(3590*time.Second)) {
			t.Errorf("the newest is of %v (%v)", newest, err)
		}
		oldest, err := v.Oldest(ctx)
		if err != nil || !oldest.Equal(noon) {
			t.Errorf("the oldest is of %v (%v)", oldest, err)
		}

		h, err := v.Histogram(ctx, noon.Add(-time.Minute), noon.Add(62*time.Minute), 5*time.Minute, time.UTC)
		if err != nil || !h.From.Equal(noon.Add(-5*time.Minute)) || !reflect.DeepEqual(h.Total, []int64{0, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 0}) || h.Levels != nil {
			t.Errorf("%+v (%v)", h, err)
		}
		h, err = v.LevelHistogram(ctx, time.Time{}, time.Time{}, 30*time.Minute, time.FixedZone("", 20*60))
		if err != nil || !h.From.Equal(noon.Add(-20*time.Minute)) || !reflect.DeepEqual(h.Total, []int64{60, 180, 120}) {
			t.Errorf("%+v (%v)", h, err)
		}
		var levels [Levels]int64
		for _, l := range h.Levels {
			for i, n := range l {
				levels[i] += n
			}
		}
		want := [Levels]int64{None: 43, Other: 23, Info: 234, Error: 40, Fatal: 20}
		if levels != want {
			t.Errorf("levels are %v, want %v", levels, want)
		}

		lag, err := v.Lag(ctx)
		if err != nil || lag.N != 200 || lag.P50 != 50*time.Millisecond && lag.P50 != 49*time.Millisecond || lag.P99 < 97*time.Millisecond {
			t.Errorf("%+v (%v)", lag, err)
		}

		s, err := v.Stats(ctx, "took")
		if err != nil || s.Min != 0 || s.Max != 359 || s.Avg != 179.5 || s.Docs != 360 || s.Distinct < 350 || s.Distinct > 370 || s.Date {
			t.Errorf("%+v (%v)", s, err)
		}
		if s, err := v.Stats(ctx, "@timestamp"); err != nil || s.Min != float64(noon.UnixMilli()) || !s.Date {
			t.Errorf("%+v (%v)", s, err)
		}
		if _, err := v.Stats(ctx, "region"); err == nil {
			t.Error("the average of a keyword")
		}
	})
}

func TestFacets(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		source := Open(p.client, Options{Index: counted(t, p) + "*"})
		v := source.View(Query{})
		for _, test := range []struct {
			field string
			n     int
			exact bool
			want  []FacetValue
			docs  int64
			other int64
		}{
			{"region", 5, false, []FacetValue{{"cn-0", 180}, {"cn-1", 180}}, 360, 0},
			{"zone", 2, true, []FacetValue{{"Zone.0", 120}, {"Zone.1", 120}}, 360, 120},
			{"message", 5, false, []FacetValue{{"request 0 took", 120}, {"request 1 took", 120}, {"request 2 took", 120}}, 360, 0},
			{"plain", 1, false, []FacetValue{{"word0 other", 180}}, 360, 180},
			{"ok", 5, true, []FacetValue{{"false", 180}, {"true", 180}}, 360, 0},
			{"kubernetes.deployment.name", 5, false, []FacetValue{{"web", 90}}, 90, 0},
			{"took", 1, true, []FacetValue{{"0", 1}}, 360, 359},
			{"ratio", 2, true, []FacetValue{{"0.0", 1}, {"0.25", 1}}, 360, 358},
			{"nothing", 5, false, nil, 0, 0},
		} {
			f, err := v.Facet(t.Context(), test.field, test.n, test.exact)
			if err != nil || !slices.Equal(f.Values, test.want) || f.Docs != (Count{N: test.docs}) || f.Other != test.other || f.Kind != Exact {
				t.Errorf("%s: %+v %v (%v)", test.field, f, f.Values, err)
			}
		}
		for _, test := range []struct {
			field, prefix string
			want          []string
		}{
			{"zone", "zone.", []string{"Zone.0", "Zone.1", "Zone.2"}},
			{"zone", "ZONE.1", []string{"Zone.1"}},
			{"region", "", []string{"cn-0", "cn-1"}},
			{"region", "x", nil},
			{"message", "request", []string{"request 0 took", "request 1 took", "request 2 took"}},
			{"plain", "WORD1", []string{"word1 other"}},
			{"took", "35", []string{"35", "350", "351"}},
			{"ok", "t", []string{"true"}},
			{"nothing", "", nil},
		} {
			got, err := v.Values(t.Context(), test.field, test.prefix, 3)
			if slices.Sort(got); err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%s: %s: %q (%v), want %q", test.field, test.prefix, got, err, test.want)
			}
		}
	})
}

func TestTopology(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		v := Open(p.client, Options{Index: counted(t, p) + "*"}).View(Query{})
		type node struct {
			field, value  string
			count, errors int64
		}
		for _, test := range []struct {
			step int
			want []node
		}{
			{Region, []node{{"region", "cn-0", 180, 60}, {"region", "cn-1", 180, 0}}},
			{Namespace, []node{{"kubernetes.namespace", "shop", 360, 60}}},
			{App, []node{{"kubernetes.cronjob.name", "copy", 90, 0}, {"kubernetes.job.name", "once", 90, 30}, {"kubernetes.deployment.name", "web", 90, 30}}},
			{Pod, []node{{"kubernetes.pod.name", "bare", 90, 0}}},
		} {
			nodes, err := v.Topology(t.Context(), test.step, 10)
			var got []node
			for _, n := range nodes {
				got = append(got, node{n.Field, n.Value, n.Count, n.Errors})
				var sum int64
				for _, e := range n.Spark {
					sum += e
				}
				if len(n.Spark) != sparks || sum != n.Errors {
					t.Errorf("%s: sparks are %v", n.Value, n.Spark)
				}
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("step %d: %v (%v), want %v", test.step, got, err, test.want)
			}
		}
	})
}
