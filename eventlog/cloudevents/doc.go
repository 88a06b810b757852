// Package cloudevents writes the log out as CloudEvents 1.0, and reads CloudEvents of any
// origin in: files of lines or of batches in the JSON format, in structured mode.
//
// An export has all of an event but its position and the time of its appending, which are
// the log's. Imported elsewhere it is exported byte for byte the same.
//
// # What becomes of the attributes
//
//	id, source, type       the event's
//	subject                the stream; where it is missing, the source is the stream
//	time                   the event's; assigned by the import if the caller asks for it
//	dataschema             urn:readside:event:TYPE:N is version N of the type; any other, or
//	                       none, is version 1, and is kept
//	datacontenttype        JSON's media types, or none; any but application/json is kept
//	data                   a JSON object; where it is missing, {}
//	streamversion          the event's number in its stream; assigned by the import if the
//	                       caller asks for it
//	correlationid, causationid, traceparent, personid
//	                       the event's
//	any other              kept, and exported as it came
//
// What an event cannot be without, or the log cannot keep as it is, is a fault that names
// the line and the attribute.
package cloudevents
