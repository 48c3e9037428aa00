package search

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"
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
