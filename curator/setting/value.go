package setting

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// set puts value into the field v, or says what v wants instead: "must be …, not …".
func set(v reflect.Value, value any) error {
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		if err := set(p.Elem(), value); err != nil {
			return err
		}
		v.Set(p)
		return nil
	}
	if v.CanInt() || v.CanFloat() {
		if err := Octal(value); err != nil {
			return err
		}
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		n, err := number(value)
		if err != nil || math.Abs(n) > 1e9 {
			return fmt.Errorf("must be a number of seconds, not %s", Show(value))
		}
		v.SetInt(int64(n * float64(time.Second)))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		text, err := asText(value)
		if err != nil {
			return err
		}
		v.SetString(text)
	case reflect.Bool:
		yes, err := boolean(value)
		if err != nil {
			return err
		}
		v.SetBool(yes)
	case reflect.Int, reflect.Int64:
		n, err := integer(value)
		if err != nil {
			return err
		}
		v.SetInt(n)
	case reflect.Float64:
		n, err := number(value)
		if err != nil {
			return fmt.Errorf("must be a number, not %s", Show(value))
		}
		v.SetFloat(n)
	case reflect.Slice:
		return setList(v, value)
	case reflect.Map:
		m, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("must be a section (name: value), not %s", Show(value))
		}
		return setMap(v, m)
	case reflect.Interface:
		v.Set(reflect.ValueOf(Native(value)))
	default:
		panic("setting: no options of type " + v.Type().String())
	}
	return nil
}

func setList(v reflect.Value, value any) error {
	list, ok := value.([]any)
	if !ok {
		if v.Type().Elem().Kind() != reflect.String {
			return fmt.Errorf("must be a list, not %s", Show(value))
		}
		list = []any{value}
	}
	out := reflect.MakeSlice(v.Type(), len(list), len(list))
	for i, e := range list {
		if e == nil && out.Index(i).Kind() != reflect.Interface {
			return fmt.Errorf("has nothing as element %d of its list", i+1)
		}
		if e == nil {
			continue
		}
		if err := set(out.Index(i), e); err != nil {
			return fmt.Errorf("is a list whose element %d %w", i+1, err)
		}
	}
	v.Set(out)
	return nil
}

func setMap(v reflect.Value, m map[string]any) error {
	out := reflect.MakeMapWithSize(v.Type(), len(m))
	for name, e := range m {
		elem := reflect.New(v.Type().Elem()).Elem()
		if e != nil {
			if err := set(elem, e); err != nil {
				return fmt.Errorf("has %q, which %w", name, err)
			}
		}
		out.SetMapIndex(reflect.ValueOf(name), elem)
	}
	v.Set(out)
	return nil
}

func asText(value any) (string, error) {
	switch value := value.(type) {
	case string:
		return value, nil
	case json.Number: // as it is written: 2017.01, 007
		return string(value), nil
	case int, int64, float64:
		return fmt.Sprint(value), nil
	case bool:
		return "", fmt.Errorf("must be text, not the yes/no value %v: if the word is meant, quote it", value)
	}
	return "", fmt.Errorf("must be text, not %s", Show(value))
}

func boolean(value any) (bool, error) {
	switch value := value.(type) {
	case bool:
		return value, nil
	case string:
		switch strings.ToLower(value) {
		case "true", "1", "yes", "on", "enable":
			return true, nil
		case "false", "0", "no", "off", "disable":
			return false, nil
		}
	}
	return false, fmt.Errorf("must be true or false, not %s", Show(value))
}

func integer(value any) (int64, error) {
	wrong := fmt.Errorf("must be a whole number, not %s", Show(value))
	switch value := value.(type) {
	case int:
		return int64(value), nil
	case int64:
		return value, nil
	case float64:
		if value != math.Trunc(value) || math.Abs(value) > 1<<53 {
			return 0, wrong
		}
		return int64(value), nil
	case json.Number:
		if n, ok := Native(value).(int64); ok {
			return n, nil
		}
		if n, ok := Native(value).(float64); ok {
			return integer(n)
		}
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, wrong
}

func number(value any) (float64, error) {
	switch value := value.(type) {
	case int:
		return float64(value), nil
	case int64:
		return float64(value), nil
	case float64:
		return finite(value, nil)
	case json.Number:
		switch n := Native(value).(type) {
		case int64:
			return float64(n), nil
		case float64:
			return finite(n, nil)
		}
	case string:
		if strings.ContainsAny(value, "xXpP_") { // Go's spellings alone
			break
		}
		return finite(strconv.ParseFloat(strings.TrimSpace(value), 64))
	}
	return 0, errors.New("is no number")
}

// Octal refuses a number as it is written, such as 010, that is 8 to some readers of YAML, Curator among
// them, and 10 to others.
func Octal(value any) error {
	n, ok := value.(json.Number)
	if !ok {
		return nil
	}
	digits := strings.ReplaceAll(string(n), "_", "")
	if !strings.HasPrefix(strings.TrimLeft(digits, "+-"), "0") {
		return nil
	}
	eight, err := strconv.ParseInt(digits, 8, 64)
	ten, _ := strconv.ParseInt(digits, 10, 64)
	if err != nil || eight == ten {
		return nil
	}
	return fmt.Errorf("must be a number, and %s is %d (octal) in YAML 1.1 and %d in YAML 1.2: write the one you mean", Show(n), eight, ten)
}

// finite refuses what would compare with nothing, or with everything.
func finite(n float64, err error) (float64, error) {
	if err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) {
		err = errors.New("is not finite")
	}
	return n, err
}

// Native returns value with every json.Number in it as the int64 or float64 that it is, in base 10
// unless it begins with 0x, 0o or 0b; one that is neither is left as text.
func Native(value any) any {
	switch value := value.(type) {
	case json.Number:
		text := strings.ReplaceAll(string(value), "_", "")
		base := 10
		if digits := strings.TrimLeft(text, "+-"); len(digits) > 1 && digits[0] == '0' && strings.ContainsAny(digits[1:2], "xXoObB") {
			base = 0
		}
		if n, err := strconv.ParseInt(text, base, 64); err == nil {
			return n
		}
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
		return string(value)
	case []any:
		out := make([]any, len(value))
		for i, v := range value {
			out[i] = Native(v)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(value))
		for k, v := range value {
			out[k] = Native(v)
		}
		return out
	}
	return value
}

// allowed checks a field that is set against its tags oneof, min and max.
func allowed(f field) error {
	v := f.value
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if one := f.tag.Get("oneof"); one != "" {
		for _, w := range strings.Split(one, "|") {
			if v.String() == w {
				return nil
			}
		}
		return fmt.Errorf("must be one of %s, not %s", strings.ReplaceAll(one, "|", ", "), Show(v.String()))
	}
	least, most := f.tag.Get("min"), f.tag.Get("max")
	if least == "" && most == "" {
		return nil
	}
	var n float64
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		n = time.Duration(v.Int()).Seconds()
	case v.CanInt():
		n = float64(v.Int())
	default:
		n = v.Float()
	}
	if lo, err := strconv.ParseFloat(least, 64); err == nil && n < lo {
		return fmt.Errorf("must be at least %s, not %s", least, Show(n))
	}
	if hi, err := strconv.ParseFloat(most, 64); err == nil && n > hi {
		return fmt.Errorf("must be at most %s, not %s", most, Show(n))
	}
	return nil
}
