package cloud

import "slices"

// Collections returns the names of all collections of a cloud's state.
func (c *Cloud) Collections() []string { return c.core.DB.Collections() }

// ShownAs returns how Diff calls the documents of a collection, and whether they are left
// out on purpose.
func ShownAs(collection string) (noun string, inOrder, leftOut bool) {
	_, leftOut = unshown[collection]
	noun = kinds[collection].noun
	return noun, slices.Contains(order, noun), leftOut
}
