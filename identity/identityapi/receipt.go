package identityapi

import (
	"net/http"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// receiptHeader carries an authentication receipt, to the client and back.
const receiptHeader = "Openstack-Auth-Receipt"

// needMethods answers a log-in that needs further methods with a receipt for what was
// done so far.
func needMethods(rec identity.AuthReceipt) *httpapi.Response {
	return &httpapi.Response{
		Status: http.StatusUnauthorized,
		Header: http.Header{receiptHeader: {rec.ID}},
		Body: object{
			"receipt": object{
				"methods":   rec.Methods,
				"user":      object{"id": rec.User.ID, "name": rec.User.Name, "domain": showRef(rec.User.Domain)},
				"issued_at": rec.IssuedAt.Format(timeForm), "expires_at": rec.ExpiresAt.Format(timeForm),
			},
			"required_auth_methods": rec.Required,
		},
	}
}
