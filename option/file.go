package option

import (
	"errors"
	"fmt"
	"os"

	"github.com/elastic/go-ucfg"
	"go.yaml.in/yaml/v3"
)

// ReadFile reads a configuration from a YAML file as the beats do: names may be written with dots, `store.path: data`, and
// ${NAME} and ${NAME:default} in a value stand for variables of the environment. A name that is given twice is an error.
func ReadFile(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("cannot read the configuration %s: %w", path, err)
	}
	c, err := ucfg.NewFrom(values, expanding...)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration %s: %w", path, err)
	}
	return file{c}, nil
}

var expanding = []ucfg.Option{ucfg.PathSep("."), ucfg.VarExp, ucfg.ResolveEnv}

type file struct{ *ucfg.Config }

// Unpack is Config's.
func (f file) Unpack(to any) error {
	err := f.Config.Unpack(to, expanding...)
	var bad ucfg.Error
	if errors.As(err, &bad) && errors.Is(bad.Reason(), ucfg.ErrMissing) {
		return fmt.Errorf("cannot use %s: the environment has no variable that its value names: set it, or write ${NAME:default}", bad.Path())
	}
	return err
}
