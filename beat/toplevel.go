package beat

import (
	"reflect"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/publisher/processing"

	"github.com/podbeat/podbeat/option"
)

// checkTopLevel refuses a name that nobody asks for: what is below it would have no effect, and nobody would know.
func checkTopLevel(root *common.Config) error {
	for _, name := range root.GetFields() {
		if !option.IsTopLevel(name) && !refersTo(root, name) {
			return option.Unknown("option", "", name, option.TopLevel)
		}
	}
	return nil
}

// refersTo says whether something else in the configuration is another without what is at its top level under name: libbeat lets
// settings be made of others, such as ${es.host}, that may have any name.
func refersTo(root *common.Config, name string) bool {
	without, err := common.MergeConfigs(root)
	if err != nil {
		return false
	}
	var is, would map[string]any
	if err := root.Unpack(&is); err != nil {
		return false
	}
	if _, err := without.Remove(name, -1); err != nil {
		return false
	}
	delete(is, name)
	return without.Unpack(&would) != nil || !reflect.DeepEqual(is, would)
}

// checkedTopLevel is next, which gets no configuration with an unknown name at the top level.
func checkedTopLevel(next processing.SupportFactory) processing.SupportFactory {
	return func(info beat.Info, log *logp.Logger, root *common.Config) (processing.Supporter, error) {
		if err := checkTopLevel(root); err != nil {
			return nil, err
		}
		return next(info, log, root)
	}
}
