package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
)

// What the store keeps of itself: templates by these and their names, and the rest.
const (
	legacyKey     = "template/"
	composableKey = "index_template/"
	componentKey  = "component_template/"
	clusterKey    = "cluster_settings"
	uuidKey       = "cluster_uuid"
)

// clusterSettings are those of _cluster/settings.
type clusterSettings struct {
	persistent, transient body.Value // nested
	autoCreate            string     // action.auto_create_index
	destructiveNames      bool       // action.destructive_requires_name
	readOnly              bool       // cluster.blocks.read_only, or read_only_allow_delete
}

// load reads what the store keeps of itself.
func (h *Handler) load(ctx context.Context) error {
	kept, err := h.store.Metas(ctx, "")
	if err != nil {
		return err
	}
	templates := &mapping.Templates{Legacy: map[string]body.Value{}, Composable: map[string]body.Value{}, Components: map[string]body.Value{}}
	settings := &clusterSettings{persistent: object(), transient: object()}
	for key, text := range kept {
		if key == uuidKey {
			h.uuid = string(text)
			continue
		}
		v, err := body.Parse(text)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if name, ok := strings.CutPrefix(key, legacyKey); ok {
			templates.Legacy[name] = v
		} else if name, ok := strings.CutPrefix(key, composableKey); ok {
			templates.Composable[name] = v
		} else if name, ok := strings.CutPrefix(key, componentKey); ok {
			templates.Components[name] = v
		} else if key == clusterKey {
			settings.persistent = v
		}
	}
	if err := settings.read(); err != nil {
		return err
	}
	h.templates.Store(templates)
	h.settings.Store(settings)
	if h.uuid == "" {
		h.uuid = randomName()
		return h.store.SetMeta(ctx, store.Meta{Key: uuidKey, Value: []byte(h.uuid)})
	}
	return nil
}

// read finds out what the settings mean to the handler.
func (s *clusterSettings) read() error {
	s.autoCreate, s.destructiveNames, s.readOnly = "true", false, false
	for _, m := range append(flat(s.persistent), flat(s.transient)...) {
		switch m.Name {
		case "action.auto_create_index":
			s.autoCreate = m.Value.Text
		case "action.destructive_requires_name":
			s.destructiveNames = m.Value.Text == "true"
		case "cluster.blocks.read_only", "cluster.blocks.read_only_allow_delete":
			s.readOnly = s.readOnly || m.Value.Text == "true"
		}
	}
	return nil
}

// mayCreate says whether a document may make an index of that name.
func (s *clusterSettings) mayCreate(name string) error {
	refuse := func(why string) error {
		f := &failure{status: http.StatusNotFound, typ: "index_not_found_exception", reason: fmt.Sprintf("no such index [%s] and %s", clip(name), why)}
		return f.with("index_uuid", "_na_").with("index", name)
	}
	switch s.autoCreate {
	case "true", "":
		return nil
	case "false":
		return refuse("[action.auto_create_index] is [false]")
	}
	for pattern := range strings.SplitSeq(s.autoCreate, ",") {
		pattern = strings.TrimSpace(pattern)
		bare := strings.TrimLeft(pattern, "+-")
		if mapping.Like(bare, name) {
			if strings.HasPrefix(pattern, "-") {
				return refuse(fmt.Sprintf("[action.auto_create_index] contains [%s] which forbids automatic creation of the index", pattern))
			}
			return nil
		}
	}
	return refuse(fmt.Sprintf("[action.auto_create_index] ([%s]) doesn't match", s.autoCreate))
}
