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
//	key, err := s.Template("key", "orders.{id}", template.InText)
//	...
//	dst, err = key.Append(dst, x)
//
// That is of the site of a backend. [Parse] is for those without one: whether a placeholder
// can have a value at all, such as {JWT.sub} where nobody verifies a token, and for whom an
// answer is that a header has chosen, they have to see to, by the origins of [Text.Parts].
//
// Values of parameters are decoded. Unless the router leaves paths as they are, none holds a
// slash, which ends a segment however it is written, nor a question mark, a hash or a percent
// sign, which are refused with 400 in front of the endpoint.
//
// Beside that the package has what it knows of queries, for those who read or write one.
package template
