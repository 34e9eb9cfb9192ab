// Package lambda is the namespace backend/lambda: a backend that is a function of AWS
// Lambda. Calls are synchronous. The key host is not used and need not be there; url_pattern
// names the backend in logs, and what it has in braces is among the parameters of the
// function.
//
// # Which function
//
// The option function_name names one: by its name, with a version or an alias behind a colon,
// or by a whole or a partial ARN. Without it function_param_name says which parameter of the endpoint's path
// names the function; the case of its first letter does not matter. What a client
// writes there has to look like a function, or the answer is 400: let IAM say which functions
// the gateway may call.
//
// # What the function gets
//
// With the payload_format raw the method of the backend decides, which is that of the
// endpoint unless the backend has one. GET sends a JSON object of the parameters of the path,
// names in lower case and each value a text, and a line end; neither query nor
// headers are sent. Every other method sends the body of the request, byte for byte,
// which the function gets as its event, so it has to be JSON.
//
// With apigw the event is that of a proxy integration of API Gateway (version 1.0): the
// method, the path that url_pattern makes, the headers and the query that input_headers
// and input_query_strings let through, the parameters and the body, in Base64 if it is no UTF-8.
// Host is that of the client, and the stage is $default.
//
// Lambda takes 6 MiB; a longer payload is answered with 413 and sends nothing.
//
// # What the client gets
//
// With raw the payload of the answer is decoded by encoding and shaped like the answer of
// a service: an object, or a list with is_collection. null is an answer without data. Where the function is the only backend, and called once, the
// client sees X-Amz-Executed-Version. With no-op the payload streams to the client as it is,
// as application/json.
//
// With apigw the answer is read as API Gateway reads it: statusCode, headers,
// multiValueHeaders, body and isBase64Encoded. A header that is null is none, an answer that
// names no Content-Type is application/json, and one in gzip that nobody has asked for is
// unpacked. With no-op they are the answer of the client.
// Otherwise status and body are those of a service: a status that is no answer is a
// failure, which backend/http may show, and the body is decoded.
//
// # Failures
//
// A function that fails (X-Amz-Function-Error) is a failure with the code function_failed:
// 500, or 502 in the dialect sluice, or what function_error_status says. What it has said
// is for the operator alone. If AWS refuses the call, the client gets the status of AWS with
// forward_aws_status, and 502 without it, or 400 if it has sent what is no JSON, or named a
// function that is not there or that the gateway may not call. Credentials that cannot be had are 503, an address that
// is not reached is 502 in the dialect sluice, and both are 500 in krakend. The log has a line when calls begin
// to fail for such a cause, and one when they are answered again.
//
// A call ends with its request: at the timeout, or when the client leaves. A function that has begun
// runs on. max_retries tells how often a call is made again, which may run
// the function again.
//
// # Credentials
//
// They are those of the chain of AWS: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY with
// AWS_SESSION_TOKEN, the files ~/.aws/config and ~/.aws/credentials with AWS_PROFILE, a web
// identity, the role of a container, that of an instance. What has to be fetched is fetched for
// the first call and kept until it ends. The files are read when the configuration is, and
// a gateway that watches it reads them again when they change.
package lambda
