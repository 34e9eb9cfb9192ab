package graphql

import (
	"errors"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Options configures backend/graphql.
type Options struct {
	// Type says where the variables of the operation come from: query, from variables,
	// where {placeholders} are filled, whatever the body of the client is; mutation, from
	// the body of the client, a JSON object, and from variables those that it lacks. The
	// operation of the document may be of the other kind. In the dialect krakend letter case is ignored.
	Type Type `json:"type" check:"required" example:"\"query\""`

	// Query is the document. One of query and query_path is needed.
	Query string `json:"query" example:"\"query User($id: ID!) { user(id: $id) { name } }\""`

	// QueryPath is the file of the document, which is read once, at the start. It wins over
	// query.
	QueryPath string `json:"query_path" example:"\"user.graphql\""`

	// Variables are the variables of the operation by name, of any kind, numbers with all
	// of their digits. With type query a text that is a placeholder and nothing else, such as
	// "{id}", is replaced by its value, as a text, unless interpolate says more. The
	// placeholders are those of url_pattern; the letter case of the first letter does not
	// count, and in the dialect krakend one that names nothing stands for an empty text. A
	// variable whose header or query parameter the client has not sent is left out, unless it
	// must have a value.
	Variables *config.Node `json:"variables" check:"object" example:"{\"id\": \"{id}\"}"`

	// OperationName is the operation of the document that is executed, for documents that
	// hold several.
	OperationName string `json:"operationName" example:"\"User\""`

	// Method is how the operation is sent: POST, in the body, or GET, in the query of the
	// URL. Without it the method of the backend counts, if it is written there and one of the
	// two, and otherwise POST does. A mutation is never sent by GET.
	Method Method `json:"method"`

	// Interpolate is where placeholders are filled: deep, in texts at any depth of
	// variables and anywhere in them, with type mutation, too. A variable that is a
	// placeholder and nothing else is sent as a number or a boolean where it is declared as
	// Int, Float or Boolean and the value is one. Without it they are filled as variables
	// says.
	Interpolate Interpolation `json:"interpolate" example:"\"deep\""`

	// ErrorsAsFailure makes a backend fail that answers with errors and without data, as it
	// would by a status: breakers count it, and the answer of the endpoint is not complete.
	// Without it such an answer is one like others.
	ErrorsAsFailure bool `json:"errors_as_failure"`
}

// Validate reports a document that is missing.
func (o Options) Validate() error {
	if o.Query == "" && o.QueryPath == "" {
		return config.At("query", errors.New("there is no document; write it here, or its file in query_path"))
	}
	return nil
}

// Type is where variables come from; letter case is ignored.
type Type string

// The types.
const (
	ofURL  Type = "query"
	ofBody Type = "mutation"
)

// Enum lists the values.
func (Type) Enum() []string { return []string{"query", "mutation"} }

// Fold brings a value to the spelling of Enum.
func (Type) Fold(s string) string { return strings.ToLower(s) }

// Method is how an operation is sent; letter case is ignored.
type Method string

// Enum lists the values.
func (Method) Enum() []string { return []string{"GET", "POST"} }

// Fold brings a value to the spelling of Enum.
func (Method) Fold(s string) string { return strings.ToUpper(s) }

// Interpolation is where placeholders are filled.
type Interpolation string

// deep fills them everywhere.
const deep Interpolation = "deep"

// Enum lists the values.
func (Interpolation) Enum() []string { return []string{"deep"} }
