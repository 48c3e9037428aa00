package kafka

import (
	"testing"

	"github.com/Shopify/sarama"
)

// silent is sarama's client when it has lost all brokers over the question for an identity.
type silent struct {
	sarama.Client
	refreshed []string
}

func (s *silent) InitProducerID() (*sarama.InitProducerIDResponse, error) { return nil, nil }
func (s *silent) Topics() ([]string, error)                               { return []string{"t"}, nil }
func (s *silent) RefreshMetadata(topics ...string) error {
	s.refreshed = append(s.refreshed, topics...)
	return nil
}

func TestIdentityWithoutBrokers(t *testing.T) {
	s := &silent{}
	by, err := (&brokers{Client: s}).identify()
	if by != nobody || err == nil || len(s.refreshed) != 1 {
		t.Errorf("got %v, %v, refreshed %q, want an error, and brokers looked for", by, err, s.refreshed)
	}
}
