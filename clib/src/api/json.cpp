#include "api/json.h"

#include "runtime/utf8.h"

namespace mm::api {

std::string json_string(const std::string& text) {
    static const char hex[] = "0123456789abcdef";
    std::string result = "\"";
    for (const char c : repair_utf8(text)) {
        const unsigned char byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            result += '\\';
            result += c;
        } else if (byte < 0x20) {
            result += "\\u00";
            result += hex[byte >> 4];
            result += hex[byte & 15];
        } else {
            result += c;
        }
    }
    return result += '"';
}

JsonObject& JsonObject::raw(const char* key, const std::string& json) {
    if (!body_.empty()) body_ += ", ";
    body_ += json_string(key) + ": " + json;
    return *this;
}

JsonObject& JsonObject::text(const char* key, const std::string& value) {
    return raw(key, json_string(value));
}

JsonObject& JsonObject::number(const char* key, int64_t value) {
    return raw(key, std::to_string(value));
}

JsonObject& JsonObject::boolean(const char* key, bool value) {
    return raw(key, value ? "true" : "false");
}

}  // namespace mm::api
