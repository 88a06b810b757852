package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	askWait        = 20 * time.Second
	answerBytesMax = 4 << 20
)

// ask sends a GraphQL query as any client would, and decodes the data of its answer.
func ask(ctx context.Context, url, query string, variables map[string]any, data any) error {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	return decode(raw, data)
}

func decode(raw []byte, data any) error {
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("the query's answer is no JSON: %w: %.200s", err, raw)
	}
	if len(answer.Errors) > 0 {
		return fmt.Errorf("the query was refused: %s", answer.Errors[0].Message)
	}
	return json.Unmarshal(answer.Data, data)
}
