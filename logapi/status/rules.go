package status

import (
	"errors"
	"fmt"
	"net"
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

// A rule makes the status a colour, at the least, when it holds. why says what is the matter; "" if it does not hold.
type rule struct {
	color string
	why   func(f *findings, d *document) string
}

// rules are all there are. A status is red if a red one holds, else yellow if a yellow one does, else green. What
// docs/logapi-status.md says of them is a copy for people.
var rules = []rule{
	{red, func(f *findings, d *document) string { return failed("elasticsearch", f.healthErr) }},
	{red, func(f *findings, d *document) string {
		return when(f.healthErr == nil && f.color == red, "elasticsearch: its health is red")
	}},
	{yellow, func(f *findings, d *document) string {
		return when(f.healthErr == nil && f.color == yellow, "elasticsearch: its health is yellow")
	}},
	{yellow, func(f *findings, d *document) string {
		return when(f.healthErr == nil && f.color != green && f.color != yellow && f.color != red, "elasticsearch: its health is unknown")
	}},
	{yellow, func(f *findings, d *document) string {
		return failed("elasticsearch: nodes", unless(f.healthErr, f.nodesErr))
	}},
	{red, none("elasticsearch: masters", func(d *document) counts { return d.Elasticsearch.Status.Master })},
	{red, none("elasticsearch: data nodes", func(d *document) counts { return d.Elasticsearch.Status.Data })},
	{yellow, fewer("elasticsearch: masters", func(d *document) counts { return d.Elasticsearch.Status.Master })},
	{yellow, fewer("elasticsearch: clients", func(d *document) counts { return d.Elasticsearch.Status.Client })},
	{yellow, fewer("elasticsearch: data nodes", func(d *document) counts { return d.Elasticsearch.Status.Data })},

	{red, func(f *findings, d *document) string { return failed("store", f.storeErr) }},
	{red, func(f *findings, d *document) string {
		return when(d.Store != nil && d.Store.Error != "", "store: "+errorOf(d.Store))
	}},

	{red, func(f *findings, d *document) string { return failed("kafka", f.kafka.err) }},
	{red, func(f *findings, d *document) string {
		return when(len(f.kafka.leaderless) > 0, "kafka: without a leader: "+some(f.kafka.leaderless))
	}},
	{yellow, fewer("kafka: brokers", func(d *document) counts { return d.Kafka.Broker.Status })},
	{yellow, func(f *findings, d *document) string {
		return failed("kafka: lag", unless(f.kafka.err, f.kafka.lagErr))
	}},
	{yellow, func(f *findings, d *document) string {
		l := d.Kafka.Lag
		return when(l != nil && f.kafka.lagErr == nil && l.Members == 0, "kafka: nobody is in the group of the shippers")
	}},
	{yellow, func(f *findings, d *document) string {
		l := d.Kafka.Lag
		if l == nil || f.maxLag <= 0 || l.Messages <= f.maxLag {
			return ""
		}
		return fmt.Sprintf("kafka: the shippers are %d messages behind, more than %d", l.Messages, f.maxLag)
	}},
	{red, func(f *findings, d *document) string {
		z := d.Kafka.ZooKeeper.Status
		return when(z.Scheduled > 0 && z.Up*2 <= z.Scheduled, fmt.Sprintf("zookeeper: %d of %d up, which is no majority", z.Up, z.Scheduled))
	}},
	{yellow, fewer("zookeeper", func(d *document) counts { return d.Kafka.ZooKeeper.Status })},

	{red, none("journalbeat", func(d *document) counts { return d.Collector.Journalbeat.Status })},
	{red, none("filebeat", func(d *document) counts { return d.Collector.Filebeat.Status })},
	{red, none("http_gateway", func(d *document) counts { return d.Collector.HTTPGateway.Status })},
	{red, none("shipper", func(d *document) counts { return d.Shipper.Status })},
	{red, none("parser", func(d *document) counts { return d.Parser.Status })},
	{yellow, fewer("journalbeat", func(d *document) counts { return d.Collector.Journalbeat.Status })},
	{yellow, fewer("filebeat", func(d *document) counts { return d.Collector.Filebeat.Status })},
	{yellow, fewer("http_gateway", func(d *document) counts { return d.Collector.HTTPGateway.Status })},
	{yellow, fewer("shipper", func(d *document) counts { return d.Shipper.Status })},
	{yellow, fewer("parser", func(d *document) counts { return d.Parser.Status })},
	{yellow, func(f *findings, d *document) string {
		return when(len(f.undelivered) > 0, "podbeats whose output does not deliver: "+some(f.undelivered))
	}},

	{yellow, func(f *findings, d *document) string { return failed("configuration", unless(f.healthErr, f.stateErr)) }},
	{yellow, func(f *findings, d *document) string {
		p := f.state.record.Pending
		if p == nil {
			return ""
		}
		return fmt.Sprintf("configuration: the change that %s began at %s is not finished", or(line(p.By), "somebody"), p.At.UTC().Format(time.RFC3339))
	}},
	{yellow, func(f *findings, d *document) string {
		run := d.Rotate.LastRun
		return when(d.Rotate.Enabled && run != nil && run.Result == "failed", "rotate: curator's last run failed: "+runError(run))
	}},
	{yellow, func(f *findings, d *document) string {
		run := d.Rotate.LastRun
		if !d.Rotate.Enabled || run == nil || d.CheckedAt.Sub(run.At) <= f.curatorEvery {
			return ""
		}
		return "rotate: curator has not run since " + run.At.UTC().Format(time.RFC3339)
	}},
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
	if op := (*net.OpError)(nil); errors.As(err, &op) {
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

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
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
