package status

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/podbeat/podbeat/es/body"
)

// A document is the status of one region. Its members and their order are those of the system's description; what
// is ours comes after them, or in objects of its own.
type document struct {
	Status    string `json:"status"`
	Timestemp int64  `json:"timestemp"` // sic; Unix seconds
	Rotate    rotate `json:"rotate"`
	Collector struct {
		Journalbeat collector `json:"journalbeat"`
		Filebeat    collector `json:"filebeat"`
		HTTPGateway gateway   `json:"http_gateway"`
	} `json:"collector"`
	Parser  part `json:"parser"`
	Shipper part `json:"shipper"`
	Kafka   struct {
		HealthCheck bool `json:"health_check"`
		ZooKeeper   part `json:"zookeeper"`
		Broker      part `json:"broker"`
		Lag         *lag `json:"lag,omitempty"`
	} `json:"kafka"`
	Elasticsearch struct {
		Status   roles             `json:"status"`
		Health   json.RawMessage   `json:"health"`
		Settings map[string]string `json:"settings,omitempty"` // those that may be changed
	} `json:"elasticsearch"`

	Region        string        `json:"region"`
	CheckedAt     time.Time     `json:"checked_at"`
	Detail        []string      `json:"detail"` // why the status is not green
	Store         *figures      `json:"store,omitempty"`
	Configuration configuration `json:"configuration"`
}

type rotate struct {
	Enabled bool     `json:"enabled"`
	Age     float64  `json:"age"` // days; 0: none is set
	LastRun *lastRun `json:"last_run,omitempty"`
}

// lastRun is what curator has noted of its last run.
type lastRun struct {
	At      time.Time `json:"at"`
	Result  string    `json:"result"` // ok, held or failed
	Error   string    `json:"error,omitempty"`
	Deleted int       `json:"deleted"` // indices
}

// counts are how many there should be, and how many there are.
type counts struct {
	Scheduled int `json:"scheduled"`
	Up        int `json:"up"`
}

type part struct {
	Status counts `json:"status"`
}

type gateway struct {
	Enabled bool   `json:"enabled"`
	Status  counts `json:"status"`
}

type collector struct {
	Enabled   bool      `json:"enabled"`
	Status    counts    `json:"status"`
	Instances instances `json:"instances"`
}

type instances []instanceView

// An instanceView is what a status says of an instance.
type instanceView struct {
	node   string
	podID  string // pod_id
	status string // up, late, down, off or failed
	seen   time.Time
	detail string // not there if ""
}

// MarshalJSON writes an empty list: value is that of the whole, for which thousands of instances need not be read again.
func (instances) MarshalJSON() ([]byte, error) { return []byte("[]"), nil }

func (list instances) value() body.Value {
	all := body.Value{Kind: body.Array, Items: make([]body.Value, 0, len(list))}
	for _, in := range list {
		members := []body.Member{{Name: "node", Value: body.Text(in.node)}, {Name: "pod_id", Value: body.Text(in.podID)},
			{Name: "status", Value: body.Text(in.status)}, {Name: "seen", Value: body.Text(in.seen.UTC().Format(time.RFC3339))}}
		if in.detail != "" {
			members = append(members, body.Member{Name: "detail", Value: body.Text(in.detail)})
		}
		all.Items = append(all.Items, body.Value{Kind: body.Object, Members: members})
	}
	return all
}

type roles struct {
	Master counts `json:"master"`
	Client counts `json:"client"`
	Data   counts `json:"data"`
}

// lag is how much of Kafka the shippers have not taken yet.
type lag struct {
	Group    string           `json:"group"`
	State    string           `json:"state"`
	Members  int              `json:"members"`
	Messages int64            `json:"messages"`
	Topics   map[string]int64 `json:"topics"`
}

// figures are what the embedded store says of itself.
type figures struct {
	Indices   int    `json:"indices"`
	Documents int64  `json:"documents"`
	Bytes     int64  `json:"bytes"`
	FreeBytes int64  `json:"free_bytes"`
	Error     string `json:"error,omitempty"` // why it takes no documents
}

type configuration struct {
	Version   int64     `json:"version"` // 0: nothing has been changed yet
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	UpdatedBy string    `json:"updated_by,omitempty"`
	// and seal, of all other members; see seal.go
}

// healthNames are the members of a cluster's health that are always there, in their order.
var healthNames = []string{"cluster_name", "status", "timed_out", "number_of_nodes", "number_of_data_nodes", "active_primary_shards",
	"active_shards", "relocating_shards", "initializing_shards", "unassigned_shards", "delayed_unassigned_shards",
	"number_of_pending_tasks", "number_of_in_flight_fetch", "task_max_waiting_in_queue_millis", "active_shards_percent_as_number"}

// orderHealth is a cluster's health as it was answered, with all of healthNames first. Of a cluster that has not
// answered (v is the zero value), it is red and timed out.
func orderHealth(v body.Value) body.Value {
	ordered := body.Value{Kind: body.Object}
	for _, name := range healthNames {
		value, ok := v.Get(name)
		if !ok {
			switch name {
			case "cluster_name":
				value = body.Text("")
			case "status":
				value = body.Text(red)
			case "timed_out":
				value = body.Boolean(true)
			default:
				value = body.Int(0)
			}
		}
		ordered.Members = append(ordered.Members, body.Member{Name: name, Value: value})
	}
	for _, m := range v.Members {
		if _, known := ordered.Get(m.Name); !known {
			ordered.Members = append(ordered.Members, m)
		}
	}
	return ordered
}

// sealed is d as JSON, with its seal.
func (d *document) sealed() (body.Value, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		return body.Value{}, err
	}
	v, err := body.Parse(b.Bytes())
	if err != nil {
		return v, err
	}
	collectors, _ := v.Get("collector")
	for i, list := range []instances{d.Collector.Journalbeat.Instances, d.Collector.Filebeat.Instances} {
		of := collectors.Members[i].Value.Members
		of[len(of)-1].Value = list.value()
	}
	last := &v.Members[len(v.Members)-1].Value // configuration
	last.Members = append(last.Members, body.Member{Name: "seal", Value: body.Text(sealOf(v))})
	return v, nil
}
