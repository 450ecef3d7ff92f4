module examples

go 1.23

require multimodal v0.0.0

replace multimodal => ../../clib/bindings/go
