module multimodal

go 1.23
