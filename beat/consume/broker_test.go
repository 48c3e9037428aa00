package consume

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/test/services"
)

// TestTransactions: what a transaction has aborted is not read, and offsets pass its marks.
func TestTransactions(t *testing.T) {
	r := newRig(t, services.Kafka(t), 1)
	writer, err := kgo.NewClient(kgo.SeedBrokers(r.addr), kgo.TransactionalID(r.group), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := writer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		record := r.record(0, `{"message":"`+string(rune('0'+i))+`"}`)
		if err := writer.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := writer.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	f := func(isolation, want string) {
		t.Helper()
		r.group += isolation
		p := newPipe(100, true)
		in := r.start(p, map[string]any{"isolation_level": isolation})
		wait(t, "the marks to be committed", func() bool { return r.committed() == 8 && in.figure("lag") == 0 })
		if got := strings.Join(p.messages(), ""); got != want {
			t.Errorf("%s: got %s, want %s", isolation, got, want)
		}
		in.stop()
	}
	f("read_committed", "02")
	f("read_uncommitted", "0123")
}

// TestCompression: every codec that Kafka has is read.
func TestCompression(t *testing.T) {
	r := newRig(t, services.Kafka(t), 1)
	for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		writer, err := kgo.NewClient(kgo.SeedBrokers(r.addr), kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		record := r.record(0, `{"message":"`+strings.Repeat("x", 10000)+`"}`)
		err = writer.ProduceSync(t.Context(), record).FirstErr()
		writer.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := newPipe(100, true)
	r.start(p, nil)
	wait(t, "five messages", func() bool { return r.committed() == 5 })
	for i, got := range p.messages() {
		if got != strings.Repeat("x", 10000) {
			t.Errorf("message %d is %.20s", i, got)
		}
	}
}

// bomb writes five messages as one batch, which is far larger than it looks.
func (r *rig) bomb(partition int) {
	r.t.Helper()
	writer, err := kgo.NewClient(kgo.SeedBrokers(r.addr), kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(8<<20), kgo.ProducerLinger(time.Second)) // else some may leave before the others are there, in a batch that can be read
	if err != nil {
		r.t.Fatal(err)
	}
	defer writer.Close()
	var batch []*kgo.Record
	for range 5 {
		batch = append(batch, r.record(partition, strings.Repeat(" ", 900000)))
	}
	if err := writer.ProduceSync(r.t.Context(), batch...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// TestBomb: a batch that is far larger than it looks stops its partition, and not the program.
func TestBomb(t *testing.T) {
	r := newRig(t, services.Kafka(t), 2)
	r.write(0, 2, 2)
	r.bomb(0)
	logged()
	p := newPipe(100, true)
	r.start(p, map[string]any{"max_batch_bytes": "1MiB"})
	r.write(2, 6, 2)
	var text string
	wait(t, "the other partition, and what to do", func() bool {
		text += logged()
		return r.committed() == 4 && strings.Contains(text, "Cannot read partition 0 of "+r.topic) && strings.Contains(text, "raise max_batch_bytes")
	})
}

// TestStalled: one partition that cannot be read is told of while another flows, and not once it can.
func TestStalled(t *testing.T) {
	r := newRig(t, services.Kafka(t), 2)
	r.bomb(0)
	p := newPipe(1000, true)
	in := r.start(p, map[string]any{"max_batch_bytes": "1MiB"})
	wait(t, "the partition to be told of", func() bool {
		r.produce(r.record(1, `{"message":"other"}`))
		return in.figure("stalled") == 1 && strings.HasPrefix(in.idle(), "1 of 2 partitions cannot be read, among them 0 of "+r.topic+" for ")
	})
	if p.count() == 0 {
		t.Error("the other partition is not read")
	}
	in.stop()
	in = r.start(newPipe(1000, true), nil)
	wait(t, "both to be read", func() bool { return in.figure("dead_letter") == 5 && in.figure("lag") == 0 })
	if in.figure("stalled") != 0 || in.idle() != "" {
		t.Errorf("%d stalled, %s", in.figure("stalled"), in.idle())
	}
}

func TestStalledSince(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	g := &group{opts: &options{SessionTimeout: 10 * time.Second}} // 20 s are long
	f := func(p partition, want time.Duration) {
		t.Helper()
		p.group = g
		var got time.Duration
		if since := p.stalled(now); !since.IsZero() {
			got = now.Sub(since)
		}
		if got != want {
			t.Errorf("%+v: got %v, want %v", p, got, want)
		}
	}
	f(partition{}, 0)
	f(partition{since: ago(19 * time.Second)}, 0)
	f(partition{since: ago(20 * time.Second)}, 20*time.Second)
	f(partition{since: ago(time.Hour), paused: true}, 0)
	f(partition{since: ago(time.Hour), waiting: true}, 0)
	f(partition{failing: ago(time.Minute), failed: ago(time.Second)}, time.Minute)
	f(partition{failing: ago(time.Minute), failed: ago(time.Minute)}, 0)
	f(partition{failing: ago(time.Second), failed: ago(time.Second)}, 0)

	p := partition{group: g, read: -1, next: -1}
	p.look(true)
	if !p.since.IsZero() {
		t.Error("there is nothing to read")
	}
	p.high = 5
	p.look(false)
	first := p.since
	p.look(false)
	if first.IsZero() || p.since != first {
		t.Errorf("there is something since %v, and then since %v", first, p.since)
	}
	p.read = 4
	p.look(true)
	if !p.since.IsZero() {
		t.Error("all is read")
	}
}

// TestInflate: no codec makes more of a batch than it may.
func TestInflate(t *testing.T) {
	inflate, err := newInflater(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	f := func(codec kgo.CompressionCodec, kind kgo.CompressionCodecType) {
		t.Helper()
		compressor, err := kgo.DefaultCompressor(codec)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 1 << 20, 1<<20 + 1, 64 << 20} {
			var buf bytes.Buffer
			small, used := compressor.Compress(&buf, make([]byte, size))
			got, err := inflate.Decompress(small, used)
			if size > 1<<20 && used == kind {
				if err == nil || !strings.Contains(err.Error(), "raise max_batch_bytes") {
					t.Errorf("codec %d, %d bytes: got %d bytes, %v", kind, size, len(got), err)
				}
			} else if err != nil || len(got) != size {
				t.Errorf("codec %d, %d bytes: got %d bytes, %v", kind, size, len(got), err)
			}
		}
	}
	f(kgo.GzipCompression(), kgo.CodecGzip)
	f(kgo.SnappyCompression(), kgo.CodecSnappy)
	f(kgo.Lz4Compression(), kgo.CodecLz4)
	f(kgo.ZstdCompression(), kgo.CodecZstd)
	for _, broken := range []string{"", "\x82SNAPPY\x00", "\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\xff\xff\xff\xff", "garbage"} {
		for kind := kgo.CodecGzip; kind <= kgo.CodecZstd; kind++ {
			if got, _ := inflate.Decompress([]byte(broken), kind); len(got) > 0 {
				t.Errorf("codec %d made %q of %q", kind, got, broken)
			}
		}
	}
	// As Java clients write snappy.
	block := s2.EncodeSnappy(nil, []byte("hello "))
	framed := append([]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"), 0, 0, 0, byte(len(block)))
	framed = append(append(append(framed, block...), 0, 0, 0, byte(len(block))), block...)
	if got, err := inflate.Decompress(framed, kgo.CodecSnappy); string(got) != "hello hello " {
		t.Errorf("got %q %v", got, err)
	}
}

// TestInitialOffset: `newest` holds for the first start of a group, and not for what comes while it does not run.
func TestInitialOffset(t *testing.T) {
	r := newRig(t, services.Kafka(t), 2)
	r.write(0, 10, 2)
	p := newPipe(100, true)
	in := r.start(p, map[string]any{"initial_offset": "newest"})
	wait(t, "the beginning to be committed", func() bool { return r.committed() == 10 })
	in.stop()
	r.write(10, 20, 2)
	p = newPipe(100, true)
	r.start(p, map[string]any{"initial_offset": "newest"})
	wait(t, "what came meanwhile", func() bool { return p.count() == 10 })
	if got := sorted(p.messages()); !slices.Equal(got, numbers(10, 20)) {
		t.Errorf("got %q", got)
	}
}

// TestDeleted: messages that Kafka deletes before they are read are counted, and said to be lost.
func TestDeleted(t *testing.T) {
	r := newRig(t, services.Kafka(t), 1)
	r.write(0, 10, 1)
	p := newPipe(100, false)
	in := r.start(p, nil)
	wait(t, "ten events", func() bool { return p.count() == 10 })
	p.ack(2)
	in.stop()
	logged()
	offsets := kadm.Offsets{}
	offsets.AddOffset(r.topic, 0, 7, -1)
	if _, err := r.admin.DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	p = newPipe(100, true)
	in = r.start(p, nil)
	wait(t, "the rest", func() bool { return r.committed() == 10 })
	if got := p.messages(); !slices.Equal(got, numbers(7, 10)) || in.figure("gaps.deleted") != 5 {
		t.Errorf("got %q, %d deleted", got, in.figure("gaps.deleted"))
	}
	if text := logged(); !strings.Contains(text, "LOST up to 5 messages of partition 0") {
		t.Errorf("log: %s", text)
	}
}

// TestDeletedMeanwhile: so are those that are deleted while the partition pauses, and what is left is read, whatever its times.
func TestDeletedMeanwhile(t *testing.T) {
	r := newRig(t, services.Kafka(t), 1)
	var list []*kgo.Record
	for i := range 100 {
		record := r.record(0, `{"message":"`+strconv.Itoa(i)+`"}`)
		record.Timestamp = testTime.Add(-time.Duration(i) * time.Hour)
		list = append(list, record)
	}
	r.produce(list...)
	logged()
	p := newPipe(1, false)
	in := r.start(p, map[string]any{"max_in_flight.events": 10})
	wait(t, "the partition to pause", func() bool { return in.figure("paused") == 1 })
	read := in.figure("read")
	offsets := kadm.Offsets{}
	offsets.AddOffset(r.topic, 0, 70, -1)
	if _, err := r.admin.DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < int(read)+30; n++ {
		wait(t, "an event", func() bool { return p.count() > n })
		p.ack(1)
	}
	wait(t, "all to be committed", func() bool { return r.committed() == 100 })
	if got := in.figure("gaps.deleted"); got != 70-read {
		t.Errorf("%d deleted, want %d", got, 70-read)
	}
	if got, want := sorted(p.messages()), sorted(append(numbers(0, int(read)), numbers(70, 100)...)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is deleted before a message is read is counted once, however often the beginning is looked for meanwhile: when the partition
// is given to this member, when it is lost and comes back, and when there is nothing any more at the offset that was begun with.
func TestDeletedAgain(t *testing.T) {
	m := newMetrics(t.Name())
	defer m.close()
	g := &group{log: logp.NewLogger("test"), metrics: m}
	p := &partition{place: place{"topic", 0}, read: -1, readEpoch: -1, next: 10, epoch: 3, committed: 10}
	for _, start := range []int64{5, 10, 30, 30, 45, 20} {
		g.gap(p, start)
	}
	if n := m.lost.Get(); n != 35 || p.due() != 45 || p.next != 45 || p.epoch != -1 {
		t.Errorf("%d deleted, %d is due, %d to be committed; want 35, 45, 45", n, p.due(), p.next)
	}
	if !p.resumes(10) || p.readEpoch != -1 {
		t.Error("it does not go on where Kafka has something")
	}
}

// What is deleted is committed, so that nobody is behind with it or counts it again, but not before what was read in front of it is
// settled, nor if that is forgotten. Of a partition that begins nowhere yet nothing is deleted.
func TestDeletedCommitted(t *testing.T) {
	m := newMetrics(t.Name())
	defer m.close()
	g := &group{log: logp.NewLogger("test"), metrics: m}
	begun := func() (*partition, *record) {
		p := &partition{place: place{"topic", 0}, group: g, idle: make(chan struct{}), read: 10, readEpoch: 3, next: 10, epoch: 3, high: 50, committed: 10}
		r := &record{partition: p, offset: 10, epoch: 3, left: 1}
		p.open = []*record{r}
		g.gap(p, 50)
		if p.next != 10 || p.due() != 50 {
			t.Errorf("%d to be committed, %d is due; want 10, 50", p.next, p.due())
		}
		return p, r
	}
	p, r := begun()
	g.settle(r)
	if p.next != 50 || p.lag() != 0 || p.settled != 1 {
		t.Errorf("%d to be committed of %d messages, lag %d; want 50, 1, 0", p.next, p.settled, p.lag())
	}
	p, r = begun()
	r.raw = &kgo.Record{}
	p.finish()
	g.settle(r)
	if p.next != 10 {
		t.Errorf("%d to be committed of what was not published", p.next)
	}
	p = &partition{place: place{"topic", 0}, group: g, read: -1, readEpoch: -1, next: -1, epoch: -1, committed: -1}
	if g.gap(p, 100); m.lost.Get() != 78 || p.read != -1 {
		t.Errorf("%d deleted, want 78", m.lost.Get())
	}
}

// TestRecreated: a topic that is made anew is read from its beginning, with other ids.
func TestRecreated(t *testing.T) {
	r := newRig(t, services.Kafka(t), 1)
	r.produce(r.record(0, `{"message":"0"}`), r.record(0, `{"message":"1"}`), r.record(0, `{"message":"2"}`))
	p := newPipe(100, true)
	in := r.start(p, nil)
	wait(t, "three committed", func() bool { return r.committed() == 3 })
	in.stop()
	if _, err := r.admin.DeleteTopic(t.Context(), r.topic); err != nil {
		t.Fatal(err)
	}
	wait(t, "the topic to be gone", func() bool {
		topics, err := r.admin.ListTopics(t.Context(), r.topic)
		return err == nil && topics[r.topic].Err != nil
	})
	r.create(1)
	q := newPipe(100, true)
	r.start(q, nil)
	wait(t, "a message to be written", func() bool {
		return r.client.ProduceSync(t.Context(), r.record(0, `{"message":"0"}`)).FirstErr() == nil
	})
	wait(t, "it to be read", func() bool { return q.count() > 0 })
	if a, b := p.seen[0].Meta["_id"], q.seen[0].Meta["_id"]; a == b {
		t.Errorf("both have the id %v", a)
	}
}

// TestRecreatedMeanwhile: so is one that is made anew while the input runs, whatever of the old one is still on its way or was committed, and the input
// says so; the other topics go on. The eager strategies read what is on its way once more when the group shares its partitions anew.
func TestRecreatedMeanwhile(t *testing.T) {
	r := newRig(t, services.Kafka(t), 2)
	other := newRig(t, r.addr, 1)
	p := newPipe(1000, false)
	in := r.start(p, map[string]any{"topics": []string{r.topic, other.topic}})
	r.write(0, 100, 2)
	wait(t, "a hundred events", func() bool { return p.count() == 100 })
	p.ack(50)
	wait(t, "some to be committed", func() bool { return r.committed() > 0 })
	if _, err := r.admin.DeleteTopic(t.Context(), r.topic); err != nil {
		t.Fatal(err)
	}
	wait(t, "the topic to be gone", func() bool {
		topics, err := r.admin.ListTopics(t.Context(), r.topic)
		return err == nil && topics[r.topic].Err != nil
	})
	p.ack(50)
	r.create(2)
	old := r.client
	defer old.Close()
	var err error
	if r.client, err = kgo.NewClient(kgo.SeedBrokers(r.addr), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	defer r.client.Close()
	r.write(1000, 1300, 2)
	other.write(2000, 2010, 1)
	wait(t, "the new topic", func() bool { return p.count() >= 410 })
	p.ack(310)
	wait(t, "it to be committed", func() bool { return r.committed() == 300 && in.figure("lag") == 0 })
	want := sorted(slices.Concat(numbers(0, 100), numbers(1000, 1300), numbers(2000, 2010)))
	if got := sorted(p.messages()); !slices.Equal(got, want) {
		t.Errorf("got %d messages, %d of them different, want %d", len(got), len(slices.Compact(got)), len(want))
	}
}

// TestPattern: a topic that is made while the input runs is read.
func TestPattern(t *testing.T) {
	r := newRig(t, services.Kafka(t), 1)
	r.write(0, 1, 1)
	p := newPipe(100, true)
	r.start(p, map[string]any{"topics": []string{"^" + strings.ReplaceAll(r.topic, ".", `\.`), "not-there"}})
	wait(t, "the first topic", func() bool { return p.count() == 1 })
	first := r.topic
	r.topic += "-more"
	r.create(1)
	r.write(1, 2, 1)
	wait(t, "the second topic", func() bool { return p.count() == 2 })
	r.topic = first
	if got := p.messages(); !slices.Equal(got, []string{"0", "1"}) {
		t.Errorf("got %q", got)
	}
}

// TestMissing: a topic that is not there is waited for, and said to be missing once.
func TestMissing(t *testing.T) {
	r := newRig(t, services.Kafka(t), 0)
	logged()
	p := newPipe(100, true)
	in := r.start(p, nil)
	wait(t, "an error", func() bool { return in.figure("errors") > 0 })
	r.create(1)
	r.write(0, 1, 1)
	wait(t, "the message", func() bool { return p.count() == 1 })
	if text := logged(); strings.Count(text, "Cannot read topic "+r.topic+", waiting for it") != 1 {
		t.Errorf("log: %s", text)
	}
}

// TestTLS: certificates are checked as the options say.
func TestTLS(t *testing.T) {
	addr := services.Kafka(t)
	proxy := httptest.NewUnstartedServer(nil) // has a certificate for 127.0.0.1
	proxy.StartTLS()
	config := proxy.TLS.Clone()
	proxy.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", addr)
			if err != nil {
				c.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(to, c)
				to.Close()
			}()
			go func() {
				_, _ = io.Copy(c, to)
				c.Close()
			}()
		}
	}()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(ssl map[string]any, want string) {
		t.Helper()
		opts := map[string]any{"hosts": []string{l.Addr().String()}}
		if ssl != nil {
			opts["ssl"] = ssl
		}
		cfg, err := common.NewConfigFrom(opts)
		if err != nil {
			t.Fatal(err)
		}
		in, err := newInput(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = in.Test(v2.TestContext{Logger: logp.NewLogger("test"), Cancelation: ctx})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", ssl, err, want)
		}
	}
	f(map[string]any{"certificate_authorities": []string{ca}}, "")
	f(map[string]any{"enabled": true}, "unknown authority")
	f(map[string]any{"verification_mode": "none"}, "")
	f(nil, "cannot reach Kafka at")
}
