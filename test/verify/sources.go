package verify

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Shopify/sarama"
	"github.com/gomodule/redigo/redis"
)

// Event reads the JSON that libbeat's outputs other than Elasticsearch write: the id is in @metadata._id.
func Event(data []byte) (Doc, error) {
	var event struct {
		Metadata struct {
			ID string `json:"_id"`
		} `json:"@metadata"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(data, &event); err != nil {
		return Doc{}, fmt.Errorf("cannot parse event %.80q: %w", data, err)
	}
	return Doc{ID: event.Metadata.ID, Text: event.Message}, nil
}

// Lines reads the events of a file output, one a line.
func Lines(r io.Reader, each func(Doc)) error {
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read events: %w", err)
		}
		d, err := Event(line)
		if err != nil {
			return err
		}
		each(d)
	}
}

// patient is a configuration that gives a topic as long to get a leader as a busy machine needs, be it made just now or its
// broker started again: sarama's own ends after three tries, in less than a second.
func patient() *sarama.Config {
	cfg := sarama.NewConfig()
	cfg.Metadata.Retry.Max = 100
	cfg.Producer.Retry.Max = 100
	return cfg
}

// Kafka reads what a topic's only partition holds at the time of the call.
func Kafka(addr, topic string, each func(Doc)) error {
	client, err := sarama.NewClient([]string{addr}, patient())
	if err != nil {
		return fmt.Errorf("cannot connect to kafka %s: %w", addr, err)
	}
	defer client.Close()
	end, err := client.GetOffset(topic, 0, sarama.OffsetNewest)
	if err != nil || end == 0 {
		return err
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return fmt.Errorf("cannot read topic %q: %w", topic, err)
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return fmt.Errorf("cannot read topic %q: %w", topic, err)
	}
	defer partition.Close()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	for {
		select {
		case m := <-partition.Messages():
			d, err := Event(m.Value)
			if err != nil {
				return err
			}
			each(d)
			if m.Offset+1 >= end {
				return nil
			}
		case <-patience.C:
			return fmt.Errorf("cannot read topic %q: its %d messages did not come within a minute", topic, end)
		}
	}
}

// Redis reads the list under key, oldest first.
func Redis(addr, key string, each func(Doc)) error {
	conn, err := redis.Dial("tcp", addr)
	if err != nil {
		return fmt.Errorf("cannot connect to redis %s: %w", addr, err)
	}
	defer conn.Close()
	const page = 1000
	for from := 0; ; from += page {
		events, err := redis.ByteSlices(conn.Do("LRANGE", key, from, from+page-1))
		if err != nil {
			return fmt.Errorf("cannot read redis list %q: %w", key, err)
		}
		if len(events) == 0 {
			return nil
		}
		for _, data := range events {
			d, err := Event(data)
			if err != nil {
				return err
			}
			each(d)
		}
	}
}

// Count returns how many documents the indices matching pattern hold.
func Count(url, pattern string) (int, error) {
	if err := call("POST", url+"/"+pattern+"/_refresh?ignore_unavailable=true", nil, nil); err != nil {
		return 0, err
	}
	var answer struct{ Count int }
	err := call("GET", url+"/"+pattern+"/_count?ignore_unavailable=true", nil, &answer)
	return answer.Count, err
}

// Elasticsearch reads every document of the indices matching pattern from one point in time, in the order in
// which users see them: by @timestamp, then event.sequence.
func Elasticsearch(url, pattern string, each func(Doc)) error {
	return search(url, pattern, "event.sequence", []string{"message"}, func(h hit) error {
		var source struct{ Message string }
		if err := json.Unmarshal(h.Source, &source); err != nil {
			return err
		}
		each(Doc{ID: h.ID, Text: source.Message})
		return nil
	})
}

// A hit is a document as Elasticsearch returns it.
type hit struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
	Sort   []any
}

// search reads the fields of every document of the indices matching pattern from one point in time, sorted by
// @timestamp and then by another field that is a whole number.
func search(url, pattern, then string, fields []string, each func(hit) error) error {
	if n, err := Count(url, pattern); err != nil || n == 0 { // no indices: no point in time
		return err
	}
	var pit struct{ ID string }
	if err := call("POST", url+"/"+pattern+"/_pit?keep_alive=5m", nil, &pit); err != nil {
		return err
	}
	defer call("DELETE", url+"/_pit", map[string]any{"id": pit.ID}, nil)
	var after []any
	for {
		query := map[string]any{
			"size": 5000, "pit": map[string]any{"id": pit.ID, "keep_alive": "5m"},
			"_source": fields, "track_total_hits": false,
			"sort": []any{
				map[string]any{"@timestamp": map[string]any{"order": "asc", "unmapped_type": "date"}},
				map[string]any{then: map[string]any{"order": "asc", "unmapped_type": "long"}},
			},
		}
		if after != nil {
			query["search_after"] = after
		}
		var page struct{ Hits struct{ Hits []hit } }
		if err := call("POST", url+"/_search", query, &page); err != nil {
			return err
		}
		if len(page.Hits.Hits) == 0 {
			return nil
		}
		for _, h := range page.Hits.Hits {
			if err := each(h); err != nil {
				return fmt.Errorf("cannot read document %s/%s: %w", h.Index, h.ID, err)
			}
			after = h.Sort
		}
	}
}

// call sends body, if any, as JSON to Elasticsearch and reads its answer into answer, if any. An index that was made an
// instant ago has no shard that answers yet, which is a 503 if no other index has one: it is asked again.
func call(method, url string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("cannot send to %s: %w", url, err)
	}
	if body == nil {
		data = nil
	}
	for end := time.Now().Add(time.Minute); ; <-time.After(50 * time.Millisecond) {
		status, err := send(method, url, data, answer)
		if status != http.StatusServiceUnavailable || time.Now().After(end) {
			return err
		}
	}
}

// send is one try of call.
func send(method, url string, data []byte, answer any) (status int, err error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(data))
	if err != nil {
		return 0, fmt.Errorf("cannot send to %s: %w", url, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("cannot send to %s: %w", url, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode > 299 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return resp.StatusCode, fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, strings.TrimSpace(string(text)))
	}
	if answer == nil {
		return resp.StatusCode, nil
	}
	dec := json.NewDecoder(resp.Body)
	dec.UseNumber() // sort values are longs that must come back as they were
	if err := dec.Decode(answer); err != nil {
		return resp.StatusCode, fmt.Errorf("cannot parse the answer of %s: %w", url, err)
	}
	return resp.StatusCode, nil
}
