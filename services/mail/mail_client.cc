#include "services/mail/mail_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "services/http/curl_library.h"
#include "services/log/str_cat.h"
#include "services/mail/mail_address.h"
#include "services/mail/mail_header.h"
#include "services/mail/smtp_dialog.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr std::string_view kOwnHeaders[] = {
    "bcc",        "cc",      "content-disposition",       "content-type", "date", "from",
    "message-id", "subject", "content-transfer-encoding", "mime-version", "to"};
constexpr char kAutoSubmitted[] = "Auto-Submitted";

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Curl = std::unique_ptr<CURL, Deleter<curl_easy_cleanup>>;
using Mime = std::unique_ptr<curl_mime, Deleter<curl_mime_free>>;

class Lines {
 public:
  void Add(const std::string& line) {
    curl_slist* const longer = curl_slist_append(lines_.get(), line.c_str());
    complete_ = complete_ && longer != nullptr;
    if (longer == nullptr) return;
    (void)lines_.release();
    lines_.reset(longer);
  }
  curl_slist* get() const { return lines_.get(); }
  // Gives them away.
  curl_slist* release() { return lines_.release(); }
  // False: there was no memory for some.
  bool complete() const { return complete_; }

 private:
  std::unique_ptr<curl_slist, Deleter<curl_slist_free_all>> lines_;
  bool complete_ = true;
};

absl::Status Invalid(std::string_view what) { return absl::InvalidArgumentError(ToAbsl(what)); }

bool IsShortText(std::string_view text) {
  return !text.empty() && text.size() <= kMailHeaderBytesMax && IsHeaderText(text);
}

bool IsGraphic(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
}

absl::Status CheckHeaders(const Mail& mail) {
  if (mail.headers.size() > kMailHeadersMax) return Invalid("a mail has too many headers");
  for (const auto& [name, value] : mail.headers) {
    const std::string lower = absl::AsciiStrToLower(name);
    const bool own = std::count(std::begin(kOwnHeaders), std::end(kOwnHeaders), lower) != 0;
    if (!IsHeaderName(name) || own || !IsShortText(value)) {
      return Invalid(StrCat("a mail can't have the header ", Quote(name), ": ", Quote(value)));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAttachments(const Mail& mail) {
  if (mail.attachments.size() > kMailAttachmentsMax) {
    return Invalid(StrCat("a mail can't have more than ", kMailAttachmentsMax, " attachments"));
  }
  size_t bytes = 0;
  for (const Attachment& attachment : mail.attachments) {
    bytes += attachment.bytes.size();
    if (!IsShortText(attachment.name) ||
        attachment.name.find_first_of("/\\") != std::string::npos) {
      return Invalid(StrCat(Quote(attachment.name), " can't be the name of an attachment"));
    }
    if (!IsShortText(attachment.type) || !IsGraphic(attachment.type) ||
        attachment.type.find('/') == std::string::npos) {
      return Invalid(StrCat(Quote(attachment.type), " is no type of an attachment"));
    }
  }
  if (bytes <= kMailAttachmentBytesMax) return absl::OkStatus();
  return Invalid(StrCat("attachments have ", bytes, " bytes; at most ", kMailAttachmentBytesMax,
                        " can be sent"));
}

struct Parts {
  Lines recipients;
  Lines headers;
  Mime mime;  // of the session, so it must go before that
};

void AddHeaders(const Mail& mail, Lines* headers) {
  headers->Add(MailAddressHeader("From", {mail.from}));
  headers->Add(MailAddressHeader("To", mail.to));
  headers->Add(MailTextHeader("Subject", mail.subject));
  headers->Add(MailDateHeader(mail.date));
  headers->Add(StrCat("Message-ID: <", mail.message_id, ">"));
  bool submitted = false;
  for (const auto& [name, value] : mail.headers) {
    headers->Add(MailTextHeader(name, value));
    submitted = submitted || absl::EqualsIgnoreCase(name, kAutoSubmitted);
  }
  if (!submitted) headers->Add(MailTextHeader(kAutoSubmitted, "auto-generated"));
}

CURLcode AddText(const std::string& text, curl_mimepart* part) {
  // Lines of mail end with CRLF, which the encoding leaves alone.
  const std::string lines =
      absl::StrReplaceAll(ToUtf8(text), {{"\r\n", "\r\n"}, {"\r", "\r\n"}, {"\n", "\r\n"}});
  CURLcode code = curl_mime_data(part, lines.data(), lines.size());
  if (code == CURLE_OK) code = curl_mime_type(part, "text/plain; charset=utf-8");
  return code == CURLE_OK ? curl_mime_encoder(part, "quoted-printable") : code;
}

CURLcode AddAttachment(const Attachment& attachment, curl_mimepart* part) {
  Lines headers;
  headers.Add(MailAttachmentHeader(attachment.name));
  if (!headers.complete()) return CURLE_OUT_OF_MEMORY;
  CURLcode code = curl_mime_data(part, attachment.bytes.data(), attachment.bytes.size());
  if (code == CURLE_OK) code = curl_mime_type(part, attachment.type.c_str());
  if (code == CURLE_OK) code = curl_mime_encoder(part, "base64");
  // The part frees them with itself.
  return code == CURLE_OK ? curl_mime_headers(part, headers.release(), 1) : code;
}

// Fails only for want of memory.
CURLcode MakeParts(CURL* curl, const Mail& mail, Parts* parts) {
  for (const std::string& address : mail.to) parts->recipients.Add(StrCat("<", address, ">"));
  AddHeaders(mail, &parts->headers);
  parts->mime.reset(curl_mime_init(curl));
  CURLcode code = AddText(mail.text, curl_mime_addpart(parts->mime.get()));
  for (const Attachment& attachment : mail.attachments) {
    if (code == CURLE_OK) code = AddAttachment(attachment, curl_mime_addpart(parts->mime.get()));
  }
  const bool complete = parts->recipients.complete() && parts->headers.complete();
  return complete ? code : CURLE_OUT_OF_MEMORY;
}

long Milliseconds(absl::Duration duration) {  // NOLINT(google-runtime-int): libcurl's type
  return static_cast<long>(absl::ToInt64Milliseconds(duration));
}

// What the server is, and how long it may take.
void SetServer(const MailServer& server, CURL* curl) {
  using Tls = MailServer::Tls;
  curl_easy_setopt(curl, CURLOPT_URL, server.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  const auto use_ssl = server.tls == Tls::kRequired    ? CURLUSESSL_ALL
                       : server.tls == Tls::kIfOffered ? CURLUSESSL_TRY
                                                       : CURLUSESSL_NONE;
  curl_easy_setopt(curl, CURLOPT_USE_SSL, static_cast<long>(use_ssl));                     // NOLINT
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));  // NOLINT
  if (!server.ca_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, server.ca_file.c_str());
    curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
  }
  if (!server.username.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, server.username.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, server.password.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(kMailConnectMax));
  curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, Milliseconds(kMailAnswerMax) / 1000);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, Milliseconds(kMailSendMax));
  // Mails are few, and servers don't like clients that stay.
  curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
}

int NoteDialog(CURL*, curl_infotype type, char* data, size_t size, void* dialog) {
  if (type == CURLINFO_HEADER_OUT) static_cast<SmtpDialog*>(dialog)->Sent({data, size});
  if (type == CURLINFO_HEADER_IN) static_cast<SmtpDialog*>(dialog)->Received({data, size});
  return 0;
}

int AskWhetherToStop(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const std::function<bool()>*>(stop))() ? 1 : 0;
}

}  // namespace

absl::Status CheckMailServer(const MailServer& server) {
  std::string_view host = server.url;
  for (const std::string_view scheme : {"smtp://", "smtps://"}) {
    if (host.substr(0, scheme.size()) == scheme) host.remove_prefix(scheme.size());
  }
  if (host.size() == server.url.size() || host.empty() || host[0] == ':' || host[0] == '/' ||
      !IsShortText(host) || !IsGraphic(host) || host.find('@') != std::string_view::npos) {
    // It is not quoted, as it may hold a password.
    return Invalid("a mail server is smtp://host:port or smtps://host:port, without a name in it");
  }
  if (server.username.find('\0') != std::string::npos ||
      server.password.find('\0') != std::string::npos) {
    return Invalid("a name or a password of a mail server can't hold a NUL");
  }
  return absl::OkStatus();
}

absl::Status CheckMail(const Mail& mail) {
  if (!IsMailAddress(mail.from)) {
    return Invalid(StrCat(Quote(mail.from), " is no address to send mail from"));
  }
  if (mail.to.empty() || mail.to.size() > kMailRecipientsMax) {
    return Invalid(StrCat("a mail has 1 to ", kMailRecipientsMax, " recipients"));
  }
  for (const std::string& address : mail.to) {
    if (!IsMailAddress(address)) {
      return Invalid(StrCat(Quote(address), " is no address to send mail to"));
    }
  }
  if (mail.subject.size() > kMailSubjectBytesMax || !IsHeaderText(mail.subject)) {
    return Invalid(StrCat("a subject is one line of at most ", kMailSubjectBytesMax, " bytes"));
  }
  if (mail.text.size() > kMailTextBytesMax) {
    return Invalid(StrCat("the text of a mail has at most ", kMailTextBytesMax, " bytes"));
  }
  const std::string& id = mail.message_id;
  if (!IsShortText(id) || !IsGraphic(id) || id.find_first_of("<>") != std::string::npos) {
    return Invalid(StrCat(Quote(id), " can't be a Message-ID"));
  }
  if (mail.date == absl::InfinitePast() || mail.date == absl::InfiniteFuture()) {
    return Invalid("a mail needs a date");
  }
  absl::Status status = CheckHeaders(mail);
  status.Update(CheckAttachments(mail));
  return status;
}

absl::Status MailClient::Send(const MailServer& server, const Mail& mail,
                              const std::function<bool()>& stop) const {
  absl::Status status = CheckMailServer(server);
  status.Update(CheckMail(mail));
  if (!status.ok()) return status;
  const Curl curl(InitializeCurl() ? curl_easy_init() : nullptr);
  if (curl == nullptr) return absl::InternalError("libcurl can't be initialized");
  Parts parts;
  CURLcode code = MakeParts(curl.get(), mail, &parts);
  if (code != CURLE_OK) return absl::UnavailableError(curl_easy_strerror(code));
  SetServer(server, curl.get());
  const std::string sender = StrCat("<", mail.from, ">");
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_FROM, sender.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_RCPT, parts.recipients.get());
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_RCPT_ALLLOWFAILS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, parts.headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_MIMEPOST, parts.mime.get());
  char error[CURL_ERROR_SIZE] = {};
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, error);
  SmtpDialog dialog;
  curl_easy_setopt(curl.get(), CURLOPT_VERBOSE, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_DEBUGFUNCTION, NoteDialog);
  curl_easy_setopt(curl.get(), CURLOPT_DEBUGDATA, &dialog);
  if (stop != nullptr) {
    curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, AskWhetherToStop);
    curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &stop);
  }
  code = curl_easy_perform(curl.get());
  if (code == CURLE_OK) return absl::OkStatus();
  if (code == CURLE_ABORTED_BY_CALLBACK) return absl::CancelledError("stopped");
  const std::string why =
      dialog.refused() ? dialog.Describe() : (error[0] == '\0' ? curl_easy_strerror(code) : error);
  const std::string message = StrCat("mail server ", server.url, ": ", why);
  return dialog.refused_for_good() ? absl::FailedPreconditionError(message)
                                   : absl::UnavailableError(message);
}

}  // namespace closewrite
