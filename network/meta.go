package network

import (
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Meta is what every resource of the service has. It is embedded in their
// documents.
type Meta struct {
	ID          string    `json:"id"`
	ProjectID   string    `json:"project"`
	Name        string    `json:"name,omitempty"`
	Description string    `json:"description,omitempty"`
	Tags        []string  `json:"tags,omitempty"` // sorted
	Revision    int       `json:"revision"`       // counts the changes; 0 when new
	CreatedAt   time.Time `json:"created"`
	UpdatedAt   time.Time `json:"updated"`
}

// Limits on what users write.
const (
	maxName        = 255
	maxDescription = 255
	maxTag         = 255
	maxTags        = 50
)

// labels checks the texts that a user gives.
func (m *Meta) labels() error {
	if len(m.Name) > maxName {
		return invalid("Invalid input for name. Reason: it exceeds the maximum length of %d.", maxName)
	}
	if len(m.Description) > maxDescription {
		return invalid("Invalid input for description. Reason: it exceeds the maximum length of %d.", maxDescription)
	}
	return nil
}

// setTags replaces the tags.
func (m *Meta) setTags(tags []string) error {
	tags = slices.Compact(slices.Sorted(slices.Values(tags)))
	if len(tags) > maxTags {
		return invalid("Invalid input for tags. Reason: more than %d tags.", maxTags)
	}
	for _, t := range tags {
		if t == "" || len(t) > maxTag {
			return invalid("Invalid input for tags. Reason: a tag has 1 to %d characters.", maxTag)
		}
	}
	m.Tags = tags
	return nil
}

// Labels are the texts of a resource that an update may change; nil leaves one as
// it is.
type Labels struct {
	Name        *string
	Description *string
}

func (l Labels) apply(m *Meta) error {
	set(&m.Name, l.Name)
	set(&m.Description, l.Description)
	return m.labels()
}

// set assigns an optional value.
func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// orTrue gives an optional flag that is true by default.
func orTrue(b *bool) bool { return b == nil || *b }

// invalid is the error of a wrong request, in Neutron's words.
func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).WithCode("InvalidInput")
}

// refused is an error of a kind with Neutron's type name.
func refused(kind fault.Kind, code, format string, args ...any) error {
	return fault.New(kind, format, args...).WithCode(code)
}
