package beat

import (
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/publisher/processing"

	"github.com/podbeat/podbeat/option"
)

// checkTopLevel refuses a name that nobody asks for: what is below it would have no effect, and nobody would know.
func checkTopLevel(root *common.Config) error {
	for _, name := range root.GetFields() {
		if !option.IsTopLevel(name) {
			return option.Unknown("option", "", name, option.TopLevel)
		}
	}
	return nil
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
