package lines

import (
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
)

// shape says what may stand under a name. Elasticsearch refuses an event whole if one of its fields has
// another shape than its mapping, which for names of the Elastic Common Schema is known beforehand.
type shape byte

const (
	free    shape = iota // anything: the name is nobody's
	own                  // nothing: podbeat alone says it
	branch               // an object
	flat                 // an object of texts
	keyword              // a text, number or boolean; of this and the following also a list
	long                 // a whole number
	float                // a number
	boolean              // true or false
	date                 // a time in ISO 8601, or in milliseconds since 1970
	ip                   // an address
	point                // a place on earth: {lat, lon}
)

// known are the shapes of the names that podbeat and the Elastic Common Schema have, by their paths.
var known = func() map[string]shape {
	out := map[string]shape{"labels": flat}
	set := func(shape shape, names string) {
		for _, name := range strings.Fields(names) {
			if out[name] == free {
				out[name] = shape
			}
		}
	}
	set(own, `@metadata @timestamp _id _index _type _source _routing _field_names _ignored _doc_count _size _seq_no _version
		_nested_path _tier _feature _primary_term agent beat cloud container data_stream docker ecs fields host input journal
		journald kubernetes log.file log.flags log.offset log.source log.stream log.syslog log.unmapped event.created
		event.ingested event.kind event.sequence orchestrator region service.id stream systemd zone
		@realtime_timestamp client.ip kafka containerid container_name controler index namespace pod podid resourceid uuid`)
	set(branch, `log event error process user service client destination dll dns email faas file geo group hash http network
		observer organization package pe registry related rule server source span threat tls trace transaction url user_agent
		vulnerability x509`)
	set(keyword, `message message_id tags type log.level log.logger log.origin.file.name log.origin.function error.code error.id
		error.message error.stack_trace error.type trace.id transaction.id span.id
		event.action event.category event.code event.dataset event.hash event.id event.module event.original event.outcome
		event.provider event.reason event.reference event.timezone event.type event.url
		file.directory file.extension file.hash.md5 file.hash.sha1 file.hash.sha256 file.inode file.mode file.name file.path file.type
		group.id group.name organization.id organization.name
		http.request.body.content http.request.id http.request.method http.request.mime_type http.request.referrer
		http.response.body.content http.response.mime_type http.version
		network.application network.community_id network.direction network.name network.protocol network.transport network.type
		process.args process.command_line process.entity_id process.executable process.name process.thread.name process.title
		process.working_directory service.environment service.ephemeral_id service.name service.node.name service.state
		service.type service.version url.domain url.extension url.fragment url.full url.original url.password url.path url.query
		url.registered_domain url.scheme url.username user.domain user.email user.full_name user.group.id user.group.name user.hash
		user.id user.name user.roles user_agent.device.name user_agent.name user_agent.original user_agent.version
		dns.id dns.question.name dns.question.type dns.response_code dns.type related.hash related.hosts related.user
		tls.cipher tls.version tls.version_protocol`)
	set(long, `process.pid process.ppid process.pgid process.exit_code process.args_count process.uptime process.thread.id
		process.parent.pid process.parent.ppid process.parent.pgid process.parent.exit_code process.parent.thread.id
		event.duration event.severity file.size log.origin.file.line network.bytes network.packets package.size url.port
		http.request.bytes http.request.body.bytes http.response.bytes http.response.body.bytes http.response.status_code`)
	set(float, `event.risk_score event.risk_score_norm vulnerability.score.base vulnerability.score.environmental
		vulnerability.score.temporal`)
	set(boolean, `tls.established tls.resumed faas.coldstart`)
	set(date, `event.start event.end file.accessed file.created file.ctime file.mtime package.installed process.start process.end
		process.parent.start tls.client.not_after tls.client.not_before tls.server.not_after tls.server.not_before
		x509.not_after x509.not_before`)
	set(ip, `dns.resolved_ip network.forwarded_ip observer.ip related.ip`)
	set(point, `geo.location observer.geo.location`)
	for _, side := range []string{"client", "destination", "server", "source"} {
		set(long, strings.ReplaceAll(`X.bytes X.packets X.port X.nat.port X.as.number`, "X", side))
		set(ip, strings.ReplaceAll(`X.ip X.nat.ip`, "X", side))
		set(point, side+".geo.location")
		set(keyword, strings.ReplaceAll(`X.address X.domain X.mac X.as.organization.name X.geo.city_name
			X.geo.country_iso_code X.geo.country_name X.user.id X.user.name`, "X", side))
	}
	for name := range out { // what is above them are objects
		for i, c := range name {
			if c == '.' && out[name[:i]] == free {
				out[name[:i]] = branch
			}
		}
	}
	return out
}()

// shapeOf returns what may stand at a path, which may be below a name that is known.
func shapeOf(path string) shape {
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		switch s := known[path[:i]]; {
		case s == flat:
			return keyword
		case s == own, s >= keyword:
			return own
		}
	}
	return known[path]
}

// fits says whether Elasticsearch takes v for a field of a shape.
func (s shape) fits(v any) bool {
	if list, ok := v.([]any); ok && s > keyword {
		return !slices.ContainsFunc(list, func(e any) bool {
			_, list := e.([]any)
			return list || e != nil && !s.fits(e)
		})
	}
	switch s {
	case free:
		return storable(v)
	case keyword:
		return isText(v)
	case point:
		return isPoint(v)
	}
	switch v := v.(type) {
	case int64:
		return s == long || s == float || s == date && 0 <= v && v < 1e14
	case float64:
		return s == float || s == long && v == math.Trunc(v) && -1<<63 < v && v < 1<<63
	case bool:
		return s == boolean
	case string:
		switch s {
		case long:
			return isWhole(v)
		case boolean:
			return v == "true" || v == "false"
		case date:
			return isDate(v)
		case ip:
			a, err := netip.ParseAddr(v)
			return err == nil && a.Zone() == ""
		}
	}
	return false
}

// isWhole says whether a text is a whole number that 64 bits hold.
func isWhole(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return 0 < len(digits) && len(digits) <= 18 && strings.Trim(digits, "0123456789") == ""
}

// dates are the times that Elasticsearch reads for certain, if nothing is said of how they are written; and time.Parse
// finds out whether there is such a day.
var dates = regexp.MustCompile(`^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-](0\d|1[0-7]):?[0-5]\d)?)?$`)

func isDate(s string) bool {
	if !dates.MatchString(s) {
		return false
	}
	layout := time.DateOnly
	switch {
	case len(s) > 16 && s[16] == ':':
		layout = "2006-01-02T15:04:05"
	case len(s) > len(layout):
		layout = "2006-01-02T15:04"
	}
	_, err := time.Parse(layout, s[:len(layout)])
	return err == nil
}

func isPoint(v any) bool {
	m, ok := v.(common.MapStr)
	within := func(key string, most float64) bool {
		switch v := m[key].(type) {
		case int64:
			return -most <= float64(v) && float64(v) <= most
		case float64:
			return -most <= v && v <= most
		}
		return false
	}
	return ok && len(m) == 2 && within("lat", 90) && within("lon", 180)
}
