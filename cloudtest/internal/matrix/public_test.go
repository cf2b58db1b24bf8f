package matrix_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// discovery is why most public routes are.
const discovery = "it says what there is"

// TestPublic asks what needs no token. Discovery answers everybody, also with a token that
// is worth nothing, and names nobody's things; what wants another proof than a token gives
// nothing away without one, whatever token comes along.
func TestPublic(t *testing.T) {
	w := newWorld(t)
	for prefix, api := range w.apis {
		for _, r := range api.Routes {
			why := services[prefix].public[key(r)]
			if !r.Public || why == "" {
				continue
			}
			d, err := w.drill(prefix, api, r, ask{})
			require.NoError(t, err)
			for _, name := range []string{"nobody", "garbage", "expired", "owner", "admin"} {
				before := w.cloud.Moment().Revision()
				got := w.ask(w.handler, find(w.personas, name), prefix, d.question(w, false))
				if why == discovery {
					require.Less(t, got.status, http.StatusBadRequest, "%s as %s: %s", &d, name, got.body)
				} else {
					require.GreaterOrEqual(t, got.status, http.StatusBadRequest, "%s as %s: %s", &d, name, got.body)
					require.NotEqual(t, http.StatusInternalServerError, got.status, "%s as %s: %s", &d, name, got.body)
				}
				require.NotContains(t, got.body, secret, "%s as %s", &d, name)
				require.Equal(t, before, w.cloud.Moment().Revision(), "%s as %s changes something", &d, name)
			}
		}
	}
}
