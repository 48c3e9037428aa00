package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
)

// The colours of a status.
const (
	green  = "green"
	yellow = "yellow"
	red    = "red"
)

// A rule makes the status a colour, at the least, when it holds.
type rule struct {
	color string
	when  string // for people
	// why says what is the matter; "" if the rule does not hold.
	why func(f *findings, d *document) string
}

// rules are all there are. The status is red if a red one holds, else yellow if a yellow one does, else green.
var rules = []rule{
	{red, "Elasticsearch, or the embedded store, does not answer", func(f *findings, d *document) string { return failed("elasticsearch", f.healthErr) }},
	{red, "its health is red: some shards are missing", health(red)},
	{red, "no node of it that may be master, or none with data, is up", none("elasticsearch: masters", masters)},
	{red, "", none("elasticsearch: data nodes", dataNodes)},
	{yellow, "its health is yellow, or unknown", func(f *findings, d *document) string {
		return when(f.healthErr == nil && f.color != green && f.color != red, "elasticsearch: its health is "+cmp.Or(f.color, "unknown"))
	}},
	{yellow, "fewer of its nodes are up than scheduled, of any kind", fewer("elasticsearch: masters", masters)},
	{yellow, "", fewer("elasticsearch: clients", func(d *document) counts { return d.Elasticsearch.Status.Client })},
	{yellow, "", fewer("elasticsearch: data nodes", dataNodes)},
	{yellow, "it does not say which nodes it has", func(f *findings, d *document) string {
		return failed("elasticsearch: nodes", unless(f.healthErr, f.nodesErr))
	}},
	{red, "the embedded store cannot be read, or takes no documents because its disk is full", func(f *findings, d *document) string { return failed("store", f.storeErr) }},
	{red, "", func(f *findings, d *document) string {
		return when(d.Store != nil && d.Store.Error != "", "store: "+errorOf(d.Store))
	}},

	{red, "no Kafka broker answers", func(f *findings, d *document) string { return failed("kafka", f.kafka.err) }},
	{red, "a partition of `status.kafka.topics` has no leader", func(f *findings, d *document) string {
		return when(len(f.kafka.leaderless) > 0, "kafka: without a leader: "+some(f.kafka.leaderless))
	}},
	{yellow, "fewer Kafka brokers answer than scheduled", fewer("kafka: brokers", func(d *document) counts { return d.Kafka.Broker.Status })},
	{yellow, "the shippers' lag is not known, or more than `status.kafka.max_lag`, or nobody is in their group", func(f *findings, d *document) string {
		return failed("kafka: lag", unless(f.kafka.err, f.kafka.lagErr))
	}},
	{yellow, "", func(f *findings, d *document) string {
		l := d.Kafka.Lag
		return when(l != nil && f.kafka.lagErr == nil && l.Members == 0, "kafka: nobody is in the group of the shippers")
	}},
	{yellow, "", func(f *findings, d *document) string {
		l := d.Kafka.Lag
		if l == nil || f.maxLag <= 0 || l.Messages <= f.maxLag {
			return ""
		}
		return fmt.Sprintf("kafka: the shippers are %d messages behind, more than %d", l.Messages, f.maxLag)
	}},
	{red, "half of ZooKeeper's servers, or more, do not answer", func(f *findings, d *document) string {
		z := d.Kafka.ZooKeeper.Status
		return when(z.Scheduled > 0 && z.Up*2 <= z.Scheduled, fmt.Sprintf("zookeeper: %d of %d up, which is no majority", z.Up, z.Scheduled))
	}},
	{yellow, "one of ZooKeeper's servers does not answer", func(f *findings, d *document) string {
		z := d.Kafka.ZooKeeper.Status
		return when(z.Up < z.Scheduled && z.Up*2 > z.Scheduled, fmt.Sprintf("zookeeper: %d of %d up", z.Up, z.Scheduled))
	}},

	{red, "none of a collector's instances, of the shippers or of the parsers is up, and some are scheduled", none("journalbeat", journalbeats)},
	{red, "", none("filebeat", filebeats)},
	{red, "", none("http_gateway", gateways)},
	{red, "", none("shipper", shippers)},
	{red, "", none("parser", parsers)},
	{yellow, "fewer of them are up than scheduled", fewer("journalbeat", journalbeats)},
	{yellow, "", fewer("filebeat", filebeats)},
	{yellow, "", fewer("http_gateway", gateways)},
	{yellow, "", fewer("shipper", shippers)},
	{yellow, "", fewer("parser", parsers)},
	{yellow, "a podbeat that is up says that its output does not deliver", func(f *findings, d *document) string {
		return when(len(f.undelivered) > 0, "podbeats whose output does not deliver: "+some(f.undelivered))
	}},

	{yellow, "the configuration cannot be read: what is shown of it is what was last known", func(f *findings, d *document) string {
		return failed("configuration", unless(f.healthErr, f.stateErr))
	}},
	{yellow, "a change of the configuration has begun and is not finished", func(f *findings, d *document) string {
		p := f.state.record.Pending
		if p == nil {
			return ""
		}
		return fmt.Sprintf("configuration: the change that %s began at %s is not finished", cmp.Or(line(p.By), "somebody"), p.At.UTC().Format(time.RFC3339))
	}},
	{yellow, "rotation is on, and curator's last run failed, or is longer ago than `status.curator_every`, or there was none for so long", func(f *findings, d *document) string {
		run := d.Rotate.LastRun
		return when(d.Rotate.Enabled && run != nil && run.Result == "failed", "rotate: curator's last run failed: "+runError(run))
	}},
	{yellow, "", func(f *findings, d *document) string {
		run, since := d.Rotate.LastRun, f.state.rotatesSince()
		if run != nil {
			since = run.At
		}
		if !d.Rotate.Enabled || since.IsZero() || d.CheckedAt.Sub(since) <= f.curatorEvery {
			return ""
		}
		return "rotate: curator has not run since " + since.UTC().Format(time.RFC3339)
	}},
}

func masters(d *document) counts      { return d.Elasticsearch.Status.Master }
func dataNodes(d *document) counts    { return d.Elasticsearch.Status.Data }
func journalbeats(d *document) counts { return d.Collector.Journalbeat.Status }
func filebeats(d *document) counts    { return d.Collector.Filebeat.Status }
func gateways(d *document) counts     { return d.Collector.HTTPGateway.Status }
func shippers(d *document) counts     { return d.Shipper.Status }
func parsers(d *document) counts      { return d.Parser.Status }

// health is the rule that the cluster's health is not of a colour.
func health(color string) func(*findings, *document) string {
	return func(f *findings, _ *document) string {
		return when(f.healthErr == nil && f.color == color, "elasticsearch: its health is "+color)
	}
}

// judge sets the colour of d, and why.
func judge(f *findings, d *document) {
	d.Status, d.Detail = green, []string{}
	for _, color := range []string{red, yellow} {
		for _, r := range rules {
			if r.color != color {
				continue
			}
			why := r.why(f, d)
			if why == "" {
				continue
			}
			if d.Status == green {
				d.Status = color
			}
			d.Detail = append(d.Detail, line(why))
		}
	}
}

// none is the rule that of what there should be something is up.
func none(what string, of func(*document) counts) func(*findings, *document) string {
	return func(_ *findings, d *document) string {
		c := of(d)
		return when(c.Scheduled > 0 && c.Up == 0, fmt.Sprintf("%s: none of %d up", what, c.Scheduled))
	}
}

// fewer is the rule that all of what there should be is up.
func fewer(what string, of func(*document) counts) func(*findings, *document) string {
	return func(_ *findings, d *document) string {
		c := of(d)
		return when(0 < c.Up && c.Up < c.Scheduled, fmt.Sprintf("%s: %d of %d up", what, c.Up, c.Scheduled))
	}
}

func when(holds bool, why string) string {
	if holds {
		return why
	}
	return ""
}

func failed(what string, err error) string {
	if err == nil {
		return ""
	}
	return what + ": " + brief(err)
}

// brief says what has gone wrong, without the address where it has.
func brief(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		err = errSlow
	case errors.As(err, &op):
		return line(op.Op + ": " + op.Err.Error())
	}
	return line(err.Error())
}

// unless is err, but nil if there is another one that explains it.
func unless(other, err error) error {
	if other != nil {
		return nil
	}
	return err
}

func errorOf(f *figures) string {
	if f == nil {
		return ""
	}
	return f.Error
}

func runError(r *lastRun) string {
	if r == nil {
		return ""
	}
	return r.Error
}

// some is the first of names, and how many more there are.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(slices.Clone(names[:most]), ", "), len(names)-most)
}

// line is text from elsewhere as one short line that no terminal acts on.
func line(text string) string {
	const most = 500
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
