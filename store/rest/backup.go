package rest

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/podbeat/podbeat/es/body"
)

// backupRoutes are what Elasticsearch does not have: `logapi store backup` and `logapi store verify` of a store that is in use.
func (h *Handler) backupRoutes() []*route {
	return with(append(routes("POST", "/_podbeat/backup/{name}", "", (*call).backup),
		routes("POST", "/_podbeat/verify/{index}", "", (*call).verify)...), false, nil)
}

// backupName is what a backup may be called: it becomes a folder's name, on any system.
var backupName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}(\.[a-z0-9_-]{1,50}){0,9}$`)

// backup copies the store into the folder backups/{name} beside its indices. What is there already stays; what could not be finished goes.
func (c *call) backup() (err error) {
	if err := c.noBody(); err != nil {
		return err
	}
	name := c.names["name"]
	if !backupName.MatchString(name) {
		return illegal("cannot use [%s] as the name of a backup: want small letters, digits, hyphens, underscores and dots", clip(name))
	}
	c.takeTime()
	dir := filepath.Join(c.h.store.Dir(), "backups", name)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		if os.IsExist(err) {
			return illegal("the backup [%s] is there already", name)
		}
		return err
	}
	if err := c.h.store.Backup(c.context(), dir); err != nil {
		_ = os.RemoveAll(dir) // the error that led here says more
		return err
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return c.answer(object("backup", name, "path", dir))
}

// verify reads all of the indices, and says what is wrong with them.
func (c *call) verify() error {
	all, err := c.each(searchOptions)
	if err != nil {
		return err
	}
	c.takeTime()
	var reports []body.Value
	for _, ix := range all {
		r, err := c.h.store.Verify(c.context(), ix.name)
		if c.context().Err() != nil {
			return c.context().Err()
		}
		if err != nil {
			r.Problems = append(r.Problems, err.Error())
		}
		reports = append(reports, object("index", ix.name, "documents", r.Docs, "blocks", r.Blocks, "problems", append([]string{}, r.Problems...)))
	}
	return c.answer(object("indices", list(reports...)))
}

// takeTime lets the answer come later than those of other requests have to.
func (c *call) takeTime() {
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Time{}) // a connection that has none needs none
}
