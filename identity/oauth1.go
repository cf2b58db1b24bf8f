package identity

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Consumer is a program of somebody else that users may let act for them by OAuth 1.0a.
type Consumer struct {
	ID          string     `json:"id"`
	Description string     `json:"description,omitempty"`
	Extra       Attributes `json:"extra,omitempty"`
}

// CreateConsumerOptions of Service.CreateConsumer.
type CreateConsumerOptions struct {
	Description string
	Extra       Attributes
}

// UpdateConsumerOptions of Service.UpdateConsumer; nil leaves as it is.
type UpdateConsumerOptions struct {
	Description *string
	Extra       Attributes
}

// CreateConsumer makes a consumer and returns it with its secret, which cannot be read
// again.
func (s *Service) CreateConsumer(ctx context.Context, opts CreateConsumerOptions) (Consumer, string, error) {
	secret := s.core.IDs.Hex()
	row := consumerRow{Consumer: Consumer{ID: s.core.IDs.Hex(), Description: opts.Description, Extra: opts.Extra}}
	err := s.updateSealed(ctx, "CreateConsumer", func(tx *state.Tx) error {
		var err error
		if row.Sealed, err = s.sealSecret(secret); err != nil {
			return err
		}
		s.emit(ctx, tx, created, "consumer", row.ID)
		return s.t.oauth.consumers.Insert(tx, row)
	})
	return row.Consumer, secret, err
}

// GetConsumer returns a consumer by its id.
func (s *Service) GetConsumer(ctx context.Context, id string) (Consumer, error) {
	row, err := s.t.oauth.consumers.Get(s.core.DB.Snapshot(), id)
	return row.Consumer, fault.Wrap("identity.GetConsumer", err)
}

// ListConsumers returns all consumers in order of their ids.
func (s *Service) ListConsumers(ctx context.Context) ([]Consumer, error) {
	list := []Consumer{}
	for row := range s.t.oauth.consumers.All(s.core.DB.Snapshot()) {
		list = append(list, row.Consumer)
	}
	return list, nil
}

// UpdateConsumer changes a consumer. Its secret stays.
func (s *Service) UpdateConsumer(ctx context.Context, id string, opts UpdateConsumerOptions) (Consumer, error) {
	var c Consumer
	err := s.update(ctx, "UpdateConsumer", func(tx *state.Tx) error {
		s.emit(ctx, tx, updated, "consumer", id)
		return s.t.oauth.consumers.Change(tx, id, func(row *consumerRow) error {
			set(&row.Description, opts.Description)
			row.Extra = row.Extra.merged(opts.Extra)
			c = row.Consumer
			return nil
		})
	})
	return c, err
}

// DeleteConsumer removes a consumer and the access that it was given; tokens that it
// got by that end at once.
func (s *Service) DeleteConsumer(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteConsumer", func(tx *state.Tx) error {
		s.emit(ctx, tx, deleted, "consumer", id)
		return firstError(s.t.oauth.consumers.Delete(tx, id), s.t.oauth.dropConsumer(tx, id))
	})
}
