package elasticsearch

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
)

func TestSource(t *testing.T) {
	pod := common.MapStr{"pod": common.MapStr{"uid": "u"}}
	node := func(name string) common.MapStr { return common.MapStr{"name": name} }
	f := func(a, b common.MapStr, same bool) {
		t.Helper()
		if got := sourceIn(a) == sourceIn(b); got != same {
			t.Errorf("%v, %v: got %v", a, b, got)
		}
	}
	f(common.MapStr{"kubernetes": pod, "container": common.MapStr{"id": "a"}}, common.MapStr{"kubernetes": map[string]any{"pod": map[string]any{"uid": "u"}}, "container": common.MapStr{"id": "b"}}, true)
	f(common.MapStr{"container": common.MapStr{"id": "a"}}, common.MapStr{"container": common.MapStr{"id": "b"}}, false)
	f(common.MapStr{"log": common.MapStr{"file": common.MapStr{"path": "a"}}}, common.MapStr{"log": common.MapStr{"file": common.MapStr{"path": "b"}}}, false)
	f(common.MapStr{"systemd": common.MapStr{"unit": "a"}, "host": node("x")}, common.MapStr{"systemd": common.MapStr{"unit": "a"}, "host": node("y")}, false)
	f(common.MapStr{"systemd": common.MapStr{"unit": "a"}, "host": node("x")}, common.MapStr{"systemd": common.MapStr{"unit": "a"}, "agent": node("x"), "b": 1}, true)
	f(common.MapStr{"systemd": 5, "host": node("x"), "a": 1}, common.MapStr{"host": node("x")}, true)
	f(nil, common.MapStr{"host": 5}, true)
}

// A watch sees that nothing of a pod is sent before all that came before it is settled, or is sent for the first time by the same request.
type watch struct {
	t       *testing.T
	mu      sync.Mutex
	first   map[string]bool // sent once
	settled map[string]bool // stored or refused for good
	wrong   int
	under   int // requests at this time
	most    int
}

// sent is called with the ids "pod/number" of a request when it arrives.
func (w *watch) sent(ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	here := map[string]bool{} // for the first time
	for _, id := range ids {
		here[id] = !w.first[id]
		w.first[id] = true
	}
	for _, id := range ids {
		if !here[id] {
			continue
		}
		pod, number, _ := strings.Cut(id, "/")
		n, _ := strconv.Atoi(number)
		for i := range n {
			if before := fmt.Sprint(pod, "/", i); !w.settled[before] && !here[before] {
				w.wrong++
				break
			}
		}
	}
	w.under++
	w.most = max(w.most, w.under)
}

func (w *watch) answered(ids []string, statuses []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.under--
	for i, id := range ids {
		if i < len(statuses) && statuses[i] != 429 && statuses[i] < 500 {
			w.settled[id] = true
		}
	}
}

// handler answers as a server in trouble: whole requests and single items are refused for now, some for good, answers get lost.
func (w *watch) handler(seed uint64) http.HandlerFunc {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 1))
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	return func(rw http.ResponseWriter, rq *http.Request) {
		if rq.Method == http.MethodGet {
			fmt.Fprint(rw, `{"version":{"number":"7.17.29"}}`)
			return
		}
		items, err := readBulk(rq)
		if err != nil {
			w.t.Error(err)
		}
		ids := make([]string, len(items))
		for i, it := range items {
			ids[i] = it.id
		}
		fate := draw(12)
		if len(items) > 30 {
			fate = 3
		} else if fate == 3 { // it would be for good
			fate = 2
		}
		if fate == 3 { // nobody has read it
			rw.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		w.sent(ids)
		time.Sleep(time.Duration(draw(300)) * time.Microsecond)
		if fate < 3 {
			w.answered(ids, nil)
			switch fate {
			case 0:
				panic(http.ErrAbortHandler)
			default:
				rw.WriteHeader([]int{0, 429, 503}[fate])
			}
			return
		}
		statuses, answer := make([]int, len(items)), ""
		for i := range items {
			statuses[i] = 201
			if fate < 8 {
				statuses[i] = []int{201, 201, 201, 409, 429, 503, 201}[draw(7)]
			}
			if strings.HasSuffix(ids[i], "77") {
				statuses[i] = 400
			}
			answer += fmt.Sprintf(`,{"create":{"status":%d}}`, statuses[i])
		}
		w.answered(ids, statuses)
		if fate == 4 { // the answer is lost
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(rw, `{"errors":true,"items":[%s]}`, answer[1:])
	}
}

// Whatever fails, a pod's events are sent in their order, and yet several requests are under way.
func TestOrder(t *testing.T) {
	f := func(yaml string, nodes, want int) {
		t.Helper()
		w := &watch{t: t, first: map[string]bool{}, settled: map[string]bool{}}
		var urls []string
		for i := range nodes {
			es := newFake(t)
			es.Config.Handler = w.handler(uint64(i))
			urls = append(urls, "'"+es.URL+"'")
		}
		const pods, n = 20, 2000
		next := map[int]int{}
		r := rand.New(rand.NewPCG(1, 1))
		yaml += "\nhosts: [" + strings.Join(urls, ", ") + "]\nindex: logs\nbackoff: {init: 100us, max: 1ms}\nnon_indexable_policy.drop: ~"
		send(t, yaml, n, func(int) beat.Event {
			pod := r.IntN(pods)
			id := fmt.Sprintf("%d/%d", pod, next[pod])
			next[pod]++
			return beat.Event{Meta: common.MapStr{"_id": id}, Fields: common.MapStr{"kubernetes": common.MapStr{"pod": common.MapStr{"uid": fmt.Sprint(pod)}}}}
		})
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.wrong > 0 || len(w.settled) != n || w.most < min(want, 2) || w.most > want {
			t.Errorf("%s: %d events overtook others, %d of %d are settled, %d requests at a time of %d", yaml, w.wrong, len(w.settled), n, w.most, want)
		}
	}
	f("worker: 1", 1, 1)
	f("worker: 4", 1, 4)
	f("worker: 2", 3, 6)
	f("worker: 3\nloadbalance: false", 2, 3)
	f("worker: 4\nbulk_max_bytes: 1KiB", 1, 4)
}

// A host that takes connections and never answers holds nobody up while another one answers.
func TestSilentHost(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, balance := range []string{"true", "false"} {
		es := newFake(t)
		// without loadbalance the first host is a matter of chance, and found out by its time-out
		yaml := fmt.Sprintf("hosts: ['%s', '%s']\nindex: logs\nloadbalance: %s\nbackoff: {init: 1ms, max: 4ms}", silent.Addr(), es.URL, balance)
		if balance == "false" {
			yaml += "\ntimeout: 200ms"
		}
		send(t, yaml, 500, func(i int) beat.Event { return sampleEvent(i) })
		if es.mu.Lock(); len(es.docs) != 500 {
			t.Errorf("loadbalance %s: %d documents", balance, len(es.docs))
		}
		es.mu.Unlock()
	}
}
