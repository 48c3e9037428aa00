// Package offline reads podbeat's configuration for commands that work beside a podbeat that runs: it takes
// the same flags, files, defaults and secrets, but makes no folder, no meta.json and no log file, and takes no lock.
package offline

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/cloudid"
	"github.com/elastic/beats/v7/libbeat/cmd/instance"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/idxmgmt"
	"github.com/elastic/beats/v7/libbeat/keystore"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/go-ucfg"

	"github.com/podbeat/podbeat/beat/reload"
)

// A Config is the whole configuration, as a start of podbeat would see it.
type Config struct {
	Info   beat.Info
	Root   *common.Config
	Output common.ConfigNamespace
}

// Load reads the configuration that the command line names. It sets libbeat's paths.Paths, and what ${NAME} means. The log goes
// to memory from then on: see [Log].
func Load(s instance.Settings) (*Config, error) {
	logging := logp.Config{Level: logp.WarnLevel}
	logp.ToObserverOutput()(&logging)
	if err := logp.Configure(logging); err != nil {
		return nil, err
	}
	b, err := instance.NewBeat(s.Name, s.IndexPrefix, s.Version, s.ElasticLicensed)
	if err != nil {
		return nil, err
	}
	if err := cfgfile.HandleFlags(); err != nil {
		return nil, err
	}
	if err := reload.CheckFiles(); err != nil {
		return nil, err
	}
	c := &Config{Info: b.Info}
	if c.Root, err = cfgfile.Load("", s.ConfigOverrides); err != nil {
		return nil, fmt.Errorf("cannot load the configuration: %w", err)
	}
	early := struct {
		Path paths.Path `config:"path"`
	}{}
	if err := c.Root.Unpack(&early); err != nil {
		return nil, fmt.Errorf("cannot read the configuration's paths: %w", err)
	}
	early.Path.Hostfs = "/"
	*paths.Paths = early.Path // cfgfile has defaults for them
	store, err := instance.LoadKeystore(c.Root, s.Name)
	if err != nil {
		return nil, fmt.Errorf("cannot open the keystore: %w", err)
	}
	common.OverwriteConfigOpts([]ucfg.Option{ucfg.PathSep("."), ucfg.Resolve(keystore.ResolverWrap(store)), ucfg.ResolveEnv, ucfg.VarExp})
	if err := cloudid.OverwriteSettings(c.Root); err != nil {
		return nil, err
	}
	rest := struct {
		Name   string                 `config:"name"`
		Output common.ConfigNamespace `config:"output"`
	}{}
	if err := c.Root.Unpack(&rest); err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if rest.Name != "" {
		c.Info.Name = rest.Name
	}
	c.Output = rest.Output
	return c, nil
}

// Inputs reads the inputs of podbeat.inputs and of the files that config.inputs names, whose names it returns too, enabled or not. What
// is wrong with a file is returned, with the inputs of all the others.
func (c *Config) Inputs() (list []*common.Config, files []string, err error) {
	section := struct {
		Podbeat struct {
			Inputs []*common.Config `config:"inputs"`
			Config struct {
				Inputs struct {
					Path string `config:"path"`
				} `config:"inputs"`
			} `config:"config"`
		} `config:"podbeat"`
	}{}
	if err := c.Root.Unpack(&section); err != nil {
		return nil, nil, fmt.Errorf("cannot read the inputs: %w", err)
	}
	list = section.Podbeat.Inputs
	pattern := section.Podbeat.Config.Inputs.Path
	if pattern == "" {
		return list, nil, nil
	}
	if files, err = filepath.Glob(paths.Resolve(paths.Config, pattern)); err != nil {
		return list, nil, fmt.Errorf("cannot look for input files at %s: %w", pattern, err)
	}
	for _, file := range files {
		more, failed := cfgfile.LoadList(file)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("cannot read input file %s: %w", file, failed))
		}
		list = append(list, more...)
	}
	return list, files, err
}

// MakeOutput makes the clients of an output, cfg being its section.
func (c *Config) MakeOutput(name string, cfg *common.Config, observer outputs.Observer) (outputs.Group, error) {
	im, err := idxmgmt.DefaultSupport(nil, c.Info, c.Root)
	if err != nil {
		return outputs.Group{}, err
	}
	return outputs.Load(im, c.Info, observer, name, cfg)
}

// Log hands over the warnings and errors that libbeat and the outputs have logged since the last call. They may quote what others
// wrote, escapes for terminals too.
func Log() (messages []string) {
	logs := logp.ObserverLogs()
	if logs == nil {
		return nil
	}
	for _, entry := range logs.TakeAll() {
		messages = append(messages, entry.Message)
	}
	return messages
}
