package setting

import (
	"reflect"
	"time"
)

// Values are the options of a struct, or of a pointer to one, by their names, as a file would have them. What is
// not set and has no default is left out, and so is the text of options tagged secret:"true".
func Values(options any) map[string]any {
	v := reflect.Indirect(reflect.ValueOf(options))
	if !v.IsValid() || v.Kind() != reflect.Struct {
		return nil
	}
	values := map[string]any{}
	for _, f := range fields(v) {
		switch {
		case f.value.IsZero() && f.tag.Get("default") == "":
		case f.tag.Get("secret") == "true":
			values[f.name] = "(hidden)"
		default:
			values[f.name] = plainValue(f.value)
		}
	}
	return values
}

func plainValue(v reflect.Value) any {
	if d, ok := v.Interface().(time.Duration); ok {
		return d.Seconds()
	}
	switch w := reflect.Indirect(v); w.Kind() {
	case reflect.Struct:
		if section := Values(w.Interface()); len(section) > 0 {
			return section
		}
		return w.Interface()
	case reflect.Invalid:
		return nil
	default:
		return w.Interface()
	}
}
