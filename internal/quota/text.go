package quota

import "fmt"

// overText is worded after Nova's answer, which clients show to people.
func overText(resource string, n, used, limit int) string {
	return fmt.Sprintf("Quota exceeded for %s: Requested %d, but already used %d of %d %s",
		resource, n, used, limit, resource)
}
