// Package template puts values of an exchange into texts that a configuration writes
// with placeholders: url_pattern and hosts of backends, and what else components offer.
//
//	{id}                        a parameter of the endpoint's path
//	{JWT.sub}, {JWT.org.id}     a claim of the verified token
//	{respN_id}, {respN_org.id}  a value of the answer of call N of a sequence, from 0
//	{input_headers.X-Tenant}    a header of the client
//	{input_query_strings.page}  a query parameter of the client
//
// A text is compiled once, for the place where it goes; a value is data there and never
// becomes structure:
//
//	key, err := template.Parse("orders.{id}", template.InText, s.Params())
//	...
//	dst, err = key.Append(dst, x)
//
// Whether a placeholder can have a value at all, such as {JWT.sub} where nobody verifies
// a token, is for its user to ask, by the origins of [Text.Parts].
//
// Beside that the package has what it knows of queries, for those who read or write one.
package template
