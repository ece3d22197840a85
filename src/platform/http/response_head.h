// Internal to the server: the head of a response as text.
#pragma once

#include <string>

#include "platform/http/message.h"

namespace boxoffice::http {

struct HeadOptions {
  bool keep_alive = true;
  bool http_1_0 = false;        // to whom keeping alive must be said
  std::string_view request_id;  // sent with errors
};

// Appends the status line and all headers to `out`.
void AppendHead(const Response& response, const HeadOptions& options, std::string& out);

}  // namespace boxoffice::http
