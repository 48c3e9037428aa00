package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/consume"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// A letter is a line of a file of dead letters that can be sent again.
type letter struct {
	raw  []byte // the line, without its newline
	line int    // counted in its file from 1

	kind, reason, index, topic string
	event                      beat.Event // with its id, and for Elasticsearch with its index
}

// form is what a letter looks like on its line: see package deadletter. A document of a dead-letter index that was exported has the
// same below _source.
type form struct {
	Source    *form       `json:"_source"`
	Timestamp string      `json:"@timestamp"`
	Message   *string     `json:"message"`
	Error     errorForm   `json:"error"`
	Event     idForm      `json:"event"`
	Document  indexForm   `json:"document"`
	Kafka     messageForm `json:"kafka"`
}

type (
	errorForm struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	idForm struct {
		ID string `json:"id"`
	}
	indexForm struct {
		Index string `json:"index"`
	}
	messageForm struct {
		Topic     string `json:"topic"`
		Partition *int32 `json:"partition"`
		Offset    *int64 `json:"offset"`
	}
)

var (
	errNoLetter = errors.New("it is no dead letter: it has no message")
	errNoEvent  = errors.New("its message is empty: a deletion, which is not sent again")
	errNoTime   = errors.New("neither the event nor the letter has a time that can be read")
)

// parse reads a line. The letter keeps it.
func parse(line []byte) (*letter, error) {
	var f form
	if err := json.Unmarshal(line, &f); err != nil {
		return nil, fmt.Errorf("it is no JSON object with a dead letter: %w", err)
	}
	if f.Source != nil {
		f = *f.Source
	}
	switch {
	case f.Message == nil:
		return nil, errNoLetter
	case *f.Message == "":
		return nil, errNoEvent
	}
	l := &letter{raw: line, kind: f.Error.Type, reason: f.Error.Message, index: f.Document.Index}
	fields, err := consume.Object([]byte(*f.Message))
	if err != nil {
		return nil, fmt.Errorf("its message is no JSON object of an event: %w", err)
	}
	l.event = beat.Event{Meta: metadata(fields), Fields: fields}
	if err := checkMetadata(l.event.Meta); err != nil {
		return nil, err
	}
	if l.event.Timestamp, err = timeOf(fields, f.Timestamp); err != nil {
		return nil, err
	}
	delete(fields, "@timestamp")
	delete(fields, "@metadata")
	consumed := f.Kafka.Partition != nil && f.Kafka.Offset != nil
	if !consumed { // else the topic is where it came from, not where it goes
		l.topic = f.Kafka.Topic
	} else if index, ok := fields["index"].(string); ok && len(l.event.Meta) == 0 {
		if name := consume.IndexName(index); name != "" {
			l.event.Meta[k8sname.IndexKey] = name
		}
	}
	if l.index != "" {
		l.event.Meta["raw_index"] = l.index
		delete(l.event.Meta, "alias")
		delete(l.event.Meta, "index")
	}
	l.event.Meta["_id"] = l.id(&f)
	return l, nil
}

// id is the event's. One that had none gets one made of what it says, so that sending it twice is harmless.
func (l *letter) id(f *form) string {
	if f.Event.ID != "" {
		return f.Event.ID
	}
	if id, ok := l.event.Meta["_id"].(string); ok && id != "" {
		return id
	}
	if k := f.Kafka; k.Partition != nil && k.Offset != nil { // as the input kafka makes it
		if at, err := time.Parse(time.RFC3339Nano, f.Timestamp); err == nil {
			return consume.ID(k.Topic, *k.Partition, *k.Offset, at)
		}
	}
	sum := sha256.Sum256([]byte(*f.Message))
	return hex.EncodeToString(sum[:16])
}

// metadata are those of an event that was for Kafka, without what the codec added. Without podbeat's they mean nothing, as those of Logstash.
func metadata(fields common.MapStr) common.MapStr {
	meta := common.MapStr{}
	m, _ := fields["@metadata"].(common.MapStr)
	if _, beats := m["beat"].(string); !beats {
		return meta
	}
	for name, value := range m {
		switch name {
		case "beat", "type", "version":
		case "op_type": // always create: see docs/dead-letters.md
		default:
			meta[name] = value
		}
	}
	return meta
}

// checkMetadata refuses what the outputs would misunderstand.
func checkMetadata(meta common.MapStr) error {
	for _, name := range []string{"_id", "index", "raw_index", "alias", "pipeline", "index_prefix"} {
		if v, there := meta[name]; there {
			if _, ok := v.(string); !ok {
				return fmt.Errorf("its @metadata.%s is no text", name)
			}
		}
	}
	return nil
}

// timeOf prefers the letter's time where it is the event's with more digits, as in letters of the Kafka output.
func timeOf(fields common.MapStr, letters string) (time.Time, error) {
	text, _ := fields["@timestamp"].(string)
	own, errOwn := time.Parse(time.RFC3339Nano, text)
	full, errFull := time.Parse(time.RFC3339Nano, letters)
	switch {
	case errOwn != nil && errFull != nil:
		return time.Time{}, errNoTime
	case errFull != nil, errOwn == nil && !full.Truncate(time.Millisecond).Equal(own):
		return own, nil
	}
	return full, nil
}

// again is the letter's line with another reason, which was given the second time.
func (l *letter) again(reason json.RawMessage) ([]byte, error) {
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(l.raw, &whole); err != nil {
		return nil, err
	}
	if source, ok := whole["_source"]; ok {
		whole = nil
		if err := json.Unmarshal(source, &whole); err != nil {
			return nil, err
		}
	}
	whole["error"] = reason
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(whole)
	return b.Bytes(), err
}
