// The web app as it was built: files in memory, and how a browser gets them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "platform/http/message.h"

namespace boxoffice::gateway {

// Immutable, hence thread-safe. Files are named by their paths in the folder ("assets/app-1a2b.js"), and
// nothing but what was there at the start can be named, so no path leads anywhere else.
class WebFiles {
 public:
  static constexpr size_t kMaxBytes = 64 * 1'024 * 1'024;  // of all files

  // Reads a folder. Empty: share/boxoffice/web beside the folder of this executable, if that is there, else
  // no files. A FILE.gz and FILE.br beside a FILE are that file for those who take them. Error:
  // kInvalidArgument config (web.root: no index.html in it, too large, can't be read).
  [[nodiscard]] static Result<WebFiles> Load(std::filesystem::path folder);

  // The file, in the smallest form that the asker takes: 304 if they have it. What is under assets/ has its
  // hash in its name and is kept for good; everything else is asked for again each time. HTML carries a
  // Content-Security-Policy that allows nothing inline and nothing from elsewhere. 404 route_not_found for
  // what is not there; 404 web_not_built where there are no files at all.
  [[nodiscard]] http::Response Answer(const http::Request& request, std::string_view name) const;

 private:
  struct File {
    std::string_view content_type;
    // Null: there is none in that form.
    std::shared_ptr<const std::string> plain, gzip, brotli;
    std::string etag;  // without quotes
  };
  std::map<std::string, File, std::less<>> files_;
};

}  // namespace boxoffice::gateway
