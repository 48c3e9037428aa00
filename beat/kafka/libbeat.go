package kafka

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/Shopify/sarama"

	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/publisher"
)

// takeOver takes from libbeat's client what it was made of: brokers, TLS, SASL, Kerberos, partitioning,
// topics, codec. It is private there and looked up by name; an upgrade that changes it is an error.
func (c *client) takeOver(theirs outputs.Client) error {
	v := reflect.Indirect(reflect.ValueOf(theirs))
	err := errors.Join(
		take(v, "hosts", &c.hosts), take(v, "config", &c.config), take(v, "topic", &c.topic),
		take(v, "key", &c.key), take(v, "codec", &c.codec), take(v, "index", &c.index),
	)
	if err != nil {
		return err
	}
	c.backoff = c.config.Producer.Retry.BackoffFunc
	c.message, err = findMessage(c.config.Producer.Partitioner(""))
	return err
}

// take sets *into to the field of libbeat's struct.
func take[T any](v reflect.Value, name string, into *T) error {
	if v.Kind() == reflect.Struct {
		if f := v.FieldByName(name); f.IsValid() && f.CanAddr() && f.Type() == reflect.TypeFor[T]() {
			*into = *(*T)(unsafe.Pointer(f.UnsafeAddr()))
			return nil
		}
	}
	return fmt.Errorf("libbeat's %s has no %s that is a %s: this version of libbeat is not supported", v.Type(), name, reflect.TypeFor[T]())
}

// A messageType is libbeat's private type of a message, which its partitioners want to see, and where
// in it are the things that they look at.
type messageType struct {
	reflect.Type
	key, partition, event uintptr
}

// findMessage finds it as the first parameter of libbeat's partitioning function.
func findMessage(p sarama.Partitioner) (t messageType, err error) {
	if f, ok := reflect.TypeOf(p).Elem().FieldByName("p"); ok && f.Type.Kind() == reflect.Func && f.Type.In(0).Kind() == reflect.Pointer {
		t.Type = f.Type.In(0).Elem()
	} else {
		return t, fmt.Errorf("libbeat's %T has no p that takes a message: this version of libbeat is not supported", p)
	}
	v := reflect.New(t.Type).Elem()
	var key []byte
	var partition int32
	var event publisher.Event
	err = errors.Join(take(v, "key", &key), take(v, "partition", &partition), take(v, "data", &event))
	if err != nil {
		return t, err
	}
	offset := func(name string) uintptr {
		f, _ := t.FieldByName(name)
		return f.Offset
	}
	t.key, t.partition, t.event = offset("key"), offset("partition"), offset("data")
	return t, nil
}

// of makes libbeat's message for an event, in which its partitioner sees the key, and the partition that
// the event was sent to before, if it was.
func (t messageType) of(ev *publisher.Event, key []byte) any {
	v := reflect.New(t.Type)
	p := v.UnsafePointer()
	(*publisher.Event)(unsafe.Add(p, t.event)).Content = ev.Content // not the cache, which it writes to
	*(*[]byte)(unsafe.Add(p, t.key)) = key
	partition := (*int32)(unsafe.Add(p, t.partition))
	*partition = -1
	if before, err := ev.Cache.GetValue("partition"); err == nil {
		*partition, _ = before.(int32)
	}
	return v.Interface()
}
