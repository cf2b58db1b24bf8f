package httpapi

import "strings"

// masked stands for a value that is not shown.
const masked = "***"

// secretNames are parts of the names of properties whose values are secrets.
var secretNames = []string{"pass", "secret", "token", "blob", "auth_key", "private_key", "signature"}

// isSecret reports whether the value of a property must not be shown.
func isSecret(property string) bool {
	lower := strings.ToLower(property)
	for _, name := range secretNames {
		if strings.Contains(lower, name) {
			return true
		}
	}
	return false
}

// mask is a value at a path of a body without the secrets in it, to be shown to who sent
// it, whose proxies and logs keep answers. All of a log-in counts as secret.
func mask(v any, path []string) any {
	for i, property := range path {
		if i == 0 && property == "auth" || isSecret(property) {
			return masked
		}
	}
	return maskWithin(v)
}

func maskWithin(v any) any {
	switch v := v.(type) {
	case map[string]any:
		shown := make(map[string]any, len(v))
		for property, value := range v {
			if shown[property] = masked; !isSecret(property) && property != "auth" {
				shown[property] = maskWithin(value)
			}
		}
		return shown
	case []any:
		shown := make([]any, len(v))
		for i, value := range v {
			shown[i] = maskWithin(value)
		}
		return shown
	}
	return v
}
