// A small writer of JSON objects, for build info and model reports.
#pragma once

#include <cstdint>
#include <string>

namespace mm::api {

class JsonObject {
  public:
    JsonObject& text(const char* key, const std::string& value);
    JsonObject& number(const char* key, int64_t value);
    JsonObject& boolean(const char* key, bool value);
    JsonObject& raw(const char* key, const std::string& json);  // a value that is JSON already
    std::string str() const { return body_.empty() ? "{}" : "{" + body_ + "}"; }

  private:
    std::string body_;
};

// A JSON string with its quotes; what is not UTF-8 becomes U+FFFD.
std::string json_string(const std::string& text);

}  // namespace mm::api
