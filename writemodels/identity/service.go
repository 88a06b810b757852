// Package identity is the bounded context of who the customers are: they register,
// change their name, and move.
package identity

import (
	"net/http"

	"github.com/readside/readside/writemodels/command"
)

// Name is the service's name in addresses; its schema and role are shop_identity.
const Name = "identity"

// Mount adds the service's commands to its API.
func Mount(api *command.API) {
	command.Handle(api, command.Route{Method: "POST", Path: "/customers", Kind: "register", Status: http.StatusCreated}, register{})
	command.Handle(api, command.Route{Method: "PATCH", Path: "/customers/{id}/name", Kind: "rename"}, rename{})
	command.Handle(api, command.Route{Method: "PUT", Path: "/customers/{id}/address", Kind: "move"}, move{})
}
