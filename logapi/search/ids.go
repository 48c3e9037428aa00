package search

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
)

// ids wraps the ids of scrolls, points in time and asynchronous searches. Elasticsearch answers whoever has one;
// wrapped, it works for the client alone that it was given to.
type ids struct {
	secret []byte
	now    func() time.Time
}

const (
	idLife     = 24 * time.Hour // Elasticsearch's own longest
	headLength = 8 + 16         // end and signature
	maxID      = 128 << 10      // bytes of a wrapped id
)

var base64url = base64.RawURLEncoding

// wrap returns the id as who may use it: the time of its end and a signature before it.
func (s *ids) wrap(kind string, who caller, id string) string {
	head := binary.BigEndian.AppendUint64(nil, uint64(s.now().Add(idLife).Unix()))
	return base64url.EncodeToString(s.sign(head, kind, who, id)) + id
}

func (s *ids) sign(end []byte, kind string, who caller, id string) []byte {
	digest := who.digest()
	mac := hmac.New(sha256.New, s.secret)
	mac.Write(end)
	mac.Write(digest[:])
	mac.Write([]byte(kind + "\x00" + id))
	return append(end[:8:8], mac.Sum(nil)[:16]...)
}

// unwrap returns the id of Elasticsearch's.
func (s *ids) unwrap(kind string, who caller, wrapped string) (string, error) {
	length := base64url.EncodedLen(headLength)
	if len(wrapped) <= length || len(wrapped) > maxID {
		return "", s.unknown(kind)
	}
	head, err := base64url.Strict().DecodeString(wrapped[:length])
	id := wrapped[length:]
	if err != nil || !isID(id) || !hmac.Equal(head, s.sign(head[:8:8], kind, who, id)) || int64(binary.BigEndian.Uint64(head)) < s.now().Unix() {
		return "", s.unknown(kind)
	}
	return id, nil
}

func (s *ids) unknown(kind string) error {
	return &refusal{status: http.StatusNotFound, kind: "resource_not_found_exception", reason: "the id of the " + kind + " is not one of this token's, or has expired"}
}

// isID says whether id is in base64, as all of Elasticsearch's are.
func isID(id string) bool {
	return id != "" && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=:") == ""
}

// openPIT plans the opening of a point in time.
func (p *plan) openPIT() error {
	if _, ok := p.params["keep_alive"]; !ok {
		return illegal("a point in time needs keep_alive=TIME")
	}
	c, err := p.cutPath(p.bound["{index}"])
	p.handles = map[string]string{"id": "pit"}
	p.send(c.names, "_pit")
	return err
}

// closePIT plans its end.
func (p *plan) closePIT() error {
	v, err := p.object()
	if err != nil {
		return err
	}
	if v, err = p.pointInTime(v); err != nil {
		return err
	}
	p.send(nil, "_pit")
	p.out = v.Append(nil)
	return nil
}

// pointInTime unwraps the id in {"id": …, "keep_alive": …}.
func (p *plan) pointInTime(v body.Value) (body.Value, error) {
	out := body.Value{Kind: body.Object}
	for _, m := range v.Members {
		switch {
		case m.Name == "id" && m.Value.Kind == body.String:
			id, err := p.h.ids.unwrap("pit", p.caller, m.Value.Text)
			if err != nil {
				return out, err
			}
			setMember(&out, "id", body.Text(id))
		case m.Name == "keep_alive" && m.Value.Kind == body.String:
			if _, ok := keepAlive(m.Value.Text, p.h.opts.Limits); !ok {
				return out, illegal("cannot use " + quote(m.Value.Text) + " as keep_alive")
			}
			setMember(&out, "keep_alive", m.Value)
		default:
			return out, illegal("cannot use " + quote(m.Name) + " of a point in time")
		}
	}
	if !has(&out, "id") {
		return out, illegal("the id of the point in time is missing")
	}
	return out, nil
}

// scrollIDs takes the ids of scrolls from where they are, which must be one place.
func (p *plan) scrollIDs(v body.Value) ([]string, error) {
	var places [][]string
	if id, ok := p.bound["{handle}"]; ok {
		places = append(places, strings.Split(id, ","))
	}
	if id, ok := p.params.take("scroll_id"); ok {
		places = append(places, []string{id})
	}
	if m, ok := v.Get("scroll_id"); ok {
		if m.Kind == body.String {
			places = append(places, []string{m.Text})
		} else {
			var ids []string
			for _, item := range m.Items {
				ids = append(ids, item.Text)
			}
			places = append(places, ids)
		}
	}
	if len(places) != 1 || len(places[0]) == 0 || len(places[0]) > p.h.opts.Limits.Searches {
		return nil, illegal("give the scroll_id, in one place")
	}
	ids := slices.Clone(places[0])
	for i, id := range ids {
		var err error
		if ids[i], err = p.h.ids.unwrap("scroll", p.caller, id); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// scroll plans the fetching of a scroll's next page.
func (p *plan) scroll() error {
	v, err := p.object()
	if err != nil {
		return err
	}
	out := body.Value{Kind: body.Object}
	for _, m := range v.Members {
		switch m.Name {
		case "scroll_id":
		case "scroll":
			if _, ok := keepAlive(m.Value.Text, p.h.opts.Limits); !ok || m.Value.Kind != body.String {
				return illegal("cannot use " + quote(m.Value.Text) + " as scroll")
			}
			setMember(&out, "scroll", m.Value)
		default:
			return illegal("cannot use " + quote(m.Name) + " of a scroll")
		}
	}
	if keep, ok := p.params.take("scroll"); ok {
		setMember(&out, "scroll", body.Text(keep))
	}
	ids, err := p.scrollIDs(v)
	if err != nil {
		return err
	}
	if len(ids) != 1 {
		return illegal("a scroll has one scroll_id")
	}
	setMember(&out, "scroll_id", body.Text(ids[0]))
	p.method = http.MethodPost
	p.handles = map[string]string{"_scroll_id": "scroll"}
	p.send(nil, "_search", "scroll")
	p.out = out.Append(nil)
	return nil
}

// clearScroll plans the end of scrolls.
func (p *plan) clearScroll() error {
	v, err := p.object()
	if err != nil {
		return err
	}
	for _, m := range v.Members {
		if m.Name != "scroll_id" {
			return illegal("cannot use " + quote(m.Name) + " of a scroll")
		}
	}
	ids, err := p.scrollIDs(v)
	if err != nil {
		return err
	}
	p.send(nil, "_search", "scroll")
	p.out = object("scroll_id", texts(ids)).Append(nil)
	return nil
}
