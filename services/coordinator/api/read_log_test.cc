// ReadLog, over real streams.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/log/str_cat.h"
#include "services/log_record/log_record.h"

namespace closewrite {
namespace {

constexpr int64_t kTimeUs = 1'795'345'200'123'456;

std::string Out(std::string_view bytes, LogStream stream = LogStream::kStdout) {
  std::string record;
  AppendLogRecord(kTimeUs, stream, bytes, &record);
  return record;
}

std::string Err(std::string_view bytes) { return Out(bytes, LogStream::kStderr); }

v1::ReadLogRequest Log(int64_t job, int64_t token, int64_t tail, bool follow) {
  v1::ReadLogRequest request;
  request.set_job_id(job);
  request.set_token(token);
  request.set_tail_lines(tail);
  request.set_follow(follow);
  return request;
}

class ReadLogTest : public ApiFixture {
 protected:
  ReadLogTest() {
    ConnectWatcher();
    Apply(TestPipeline("enrich"));
  }

  // A job that runs.
  void Begin() {
    session_ = OpenSession("e", 1);
    Announce("a.csv");
  }
  // What an executor sends of its first attempt.
  void Print(const std::string& records) {
    ReportLog(session_, kFirst, length_, records);
    length_ += static_cast<int64_t>(records.size());
  }

  void Open(const v1::ReadLogRequest& request) {
    context_ = std::make_unique<grpc::ClientContext>();
    log_ = jobs_->ReadLog(context_.get(), request);
  }
  // Reads until the stream ends, or until `text` has come.
  std::string ReadUntil(const std::string& text) {
    std::string read;
    v1::ReadLogResponse response;
    while (read.find(text) == std::string::npos && log_->Read(&response)) {
      EXPECT_LE(response.data().size(), static_cast<size_t>(512 << 10));
      EXPECT_FALSE(response.data().empty());
      read += response.data();
      token_ = response.token();
      next_offset_ = response.next_offset();
    }
    return read;
  }
  std::string ReadAll(const v1::ReadLogRequest& request) {
    Open(request);
    const std::string log = ReadUntil(kNever);
    const grpc::Status status = log_->Finish();
    return status.ok() ? log : StrCat("error ", status.error_code());
  }
  std::vector<v1::LogPart> ReadParts(v1::ReadLogRequest request) {
    request.set_parts(true);
    Open(request);
    std::vector<v1::LogPart> parts;
    v1::ReadLogResponse response;
    while (log_->Read(&response)) {
      EXPECT_EQ(response.data(), "");
      for (const v1::LogPart& part : response.parts()) parts.push_back(part);
    }
    EXPECT_TRUE(log_->Finish().ok());
    return parts;
  }
  std::string ReadStreams(std::initializer_list<v1::LogStream> streams, int64_t tail = 0) {
    v1::ReadLogRequest request = Log(1, 0, tail, false);
    for (const v1::LogStream stream : streams) request.add_streams(stream);
    return ReadAll(request);
  }

  static constexpr Lease kFirst{JobId{1}, FencingToken{1}};
  inline static const std::string kNever = std::string("\0never", 6);
  SessionId session_;
  int64_t length_ = 0;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<v1::ReadLogResponse>> log_;
  int64_t token_ = 0;
  int64_t next_offset_ = 0;
};

TEST_F(ReadLogTest, IsReadInPagesAndByItsTail) {
  Begin();
  std::string log;
  std::string records;
  for (int i = 0; i < 100'000; ++i) {
    const std::string line = StrCat("line ", i, "\n");
    log += line;
    records += i % 2 == 0 ? Out(line) : Err(line);
    if (i % 1000 == 999) Print(std::exchange(records, ""));
  }
  EXPECT_EQ(ReadAll(Log(1, 0, 0, false)), log);
  EXPECT_EQ(token_, 1);
  EXPECT_EQ(next_offset_, length_);
  EXPECT_EQ(ReadAll(Log(1, 1, 2, false)), "line 99998\nline 99999\n");
  EXPECT_EQ(ReadAll(Log(1, 1, 50'000, false)), log.substr(log.find("line 50000\n")));
}

TEST_F(ReadLogTest, TheTailBeginsWithinARecord) {
  Begin();
  Print(Out("one\ntwo\nthr") + Out("ee\nfour"));
  EXPECT_EQ(ReadAll(Log(1, 0, 1, false)), "four");
  EXPECT_EQ(ReadAll(Log(1, 0, 2, false)), "three\nfour");
  EXPECT_EQ(ReadAll(Log(1, 0, 3, false)), "two\nthree\nfour");
  EXPECT_EQ(ReadAll(Log(1, 0, 9, false)), "one\ntwo\nthree\nfour");
}

// Nobody holds it as a whole.
TEST_F(ReadLogTest, ALineMayBeVeryLong) {
  Begin();
  Print(Out("first\n"));
  const std::string part(60'000, 'x');
  for (int i = 0; i < 100; ++i) Print(Out(part));
  EXPECT_EQ(ReadAll(Log(1, 0, 1, false)).size(), 6'000'000u);
  EXPECT_EQ(ReadAll(Log(1, 0, 2, false)).size(), 6'000'006u);
}

TEST_F(ReadLogTest, OneThatIsNotThereIsNotFound) {
  Announce("a.csv");
  EXPECT_EQ(ReadAll(Log(1, 0, 0, false)), "");  // not yet run
  EXPECT_EQ(ReadAll(Log(9, 0, 0, false)), "error 5");
  EXPECT_EQ(ReadAll(Log(9, 0, 0, true)), "error 5");
  EXPECT_EQ(ReadAll(Log(1, 3, 0, false)), "error 5");
}

TEST_F(ReadLogTest, WhatMakesNoSenseIsRefused) {
  Begin();
  EXPECT_EQ(ReadAll(Log(1, 0, -1, false)), "error 3");
  EXPECT_EQ(ReadAll(Log(1, -1, 0, false)), "error 3");
  v1::ReadLogRequest request = Log(1, 0, 0, false);
  request.set_offset(10);
  EXPECT_EQ(ReadAll(request), "error 3");  // of which attempt?
  request.set_token(1);
  request.set_tail_lines(1);
  EXPECT_EQ(ReadAll(request), "error 3");
  request = Log(1, 0, 0, false);
  request.add_streams(v1::LOG_STREAM_UNSPECIFIED);
  EXPECT_EQ(ReadAll(request), "error 3");
  request.set_streams(0, static_cast<v1::LogStream>(77));
  EXPECT_EQ(ReadAll(request), "error 3");
}

TEST_F(ReadLogTest, StreamsAreToldApart) {
  Begin();
  Print(Out("out 1\n") + Err("err 1\n") + Out("out 2\n") + Err("err 2\n"));
  EXPECT_EQ(ReadStreams({v1::LOG_STREAM_STDOUT}), "out 1\nout 2\n");
  EXPECT_EQ(ReadStreams({v1::LOG_STREAM_STDERR}), "err 1\nerr 2\n");
  EXPECT_EQ(ReadStreams({v1::LOG_STREAM_STDERR}, 1), "err 2\n");
  EXPECT_EQ(ReadStreams({v1::LOG_STREAM_STDOUT}, 1), "out 2\n");
  EXPECT_EQ(ReadStreams({v1::LOG_STREAM_NOTE}), "");
  EXPECT_EQ(ReadStreams({v1::LOG_STREAM_STDOUT, v1::LOG_STREAM_STDERR}),
            "out 1\nerr 1\nout 2\nerr 2\n");
}

TEST_F(ReadLogTest, PartsKnowTheirTimeAndStream) {
  Begin();
  Print(Out("gr\xc3\xbc\xc3\x9f\x65\n") + Err(std::string("\0\xff", 2)));
  Print("no record");
  const std::vector<v1::LogPart> parts = ReadParts(Log(1, 0, 0, false));
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].text(), "gr\xc3\xbc\xc3\x9f\x65\n");
  EXPECT_EQ(parts[0].stream(), v1::LOG_STREAM_STDOUT);
  EXPECT_EQ(parts[0].time().seconds(), 1'795'345'200);
  EXPECT_EQ(parts[0].time().nanos(), 123'456'000);
  EXPECT_EQ(parts[1].data(), std::string("\0\xff", 2));
  EXPECT_EQ(parts[1].stream(), v1::LOG_STREAM_STDERR);
  EXPECT_FALSE(parts[2].has_time());
  EXPECT_EQ(parts[2].text(), "no record");
}

TEST_F(ReadLogTest, GoesOnWhereAnotherReaderHasStopped) {
  Begin();
  Print(Out("one\n"));
  EXPECT_EQ(ReadAll(Log(1, 0, 0, false)), "one\n");
  Print(Out("two\n") + Out("three\n"));
  v1::ReadLogRequest request = Log(1, 1, 0, false);
  request.set_offset(next_offset_);
  EXPECT_EQ(ReadAll(request), "two\nthree\n");
  request.set_offset(next_offset_);
  EXPECT_EQ(ReadAll(request), "");
  request.set_offset(next_offset_ + 1000);
  EXPECT_EQ(ReadAll(request), "");
}

// Between two reads the rows were packed, and others went.
TEST_F(ReadLogTest, GoesOnThoughTheRowsHaveChanged) {
  Begin();
  for (int i = 0; i < 100; ++i) Print(Out(StrCat("line ", 100 + i, "\n")));
  constexpr int64_t kLine = sizeof(LogRecordHeader) + 9;
  const absl::Status packed = store_.Write([&](StoreTransaction& tx) {
    tx.ReplaceLogRows(kFirst, PackLogRows(tx.ReadLog(kFirst, 20 * kLine, 30 * kLine)));
    EXPECT_EQ(tx.EraseLogRows(kFirst, 60 * kLine, 70 * kLine, 100), 10);
    return absl::OkStatus();
  });
  ASSERT_TRUE(packed.ok());
  v1::ReadLogRequest request = Log(1, 1, 0, false);
  request.set_offset(30 * kLine);
  const std::string rest = ReadAll(request);
  EXPECT_EQ(rest.substr(0, 9), "line 130\n");
  EXPECT_NE(rest.find("line 159\n[250 bytes left out]\nline 170\n"), std::string::npos);
  request.set_offset(65 * kLine);
  EXPECT_EQ(ReadAll(request).substr(0, 32), "[125 bytes left out]\nline 170\nli");
  EXPECT_EQ(ReadAll(Log(1, 0, 31, false)).substr(0, 30), "[250 bytes left out]\nline 170\n");
}

TEST_F(ReadLogTest, ANoteBeginsALine) {
  Begin();
  Print(Out("no end of line") + Out("closewrite: something\n", LogStream::kNote) + Out("more"));
  EXPECT_EQ(ReadAll(Log(1, 0, 0, false)), "no end of line\nclosewrite: something\nmore");
  EXPECT_EQ(ReadParts(Log(1, 0, 0, false))[1].stream(), v1::LOG_STREAM_NOTE);
}

TEST_F(ReadLogTest, FollowingGoesOnOverAttemptsUntilTheJobIsFinished) {
  Announce("a.csv");
  Open(Log(1, 0, 0, true));  // before anything runs
  session_ = OpenSession("e", 1);
  Tick();
  Print(Out("one\n"));
  EXPECT_EQ(ReadUntil("one\n"), "one\n");
  Print(Err("failing\n"));
  ReportEnd(session_, kFirst, Outcome::kFailed, 1);
  EXPECT_EQ(ReadUntil("failing\n"), "failing\n");
  EXPECT_EQ(token_, 1);
  clock_.Advance(absl::Seconds(5));
  Tick();
  const Lease second{JobId{1}, FencingToken{2}};
  ReportLog(session_, second, 0, Out("two\n"));
  EXPECT_EQ(ReadUntil("two\n"), "two\n");
  EXPECT_EQ(token_, 2);
  ReportLog(session_, second, next_offset_, Out("done\n"));
  ReportEnd(session_, second, Outcome::kSucceeded, 0, {{"a.csv", 3, std::string(32, 's')}});
  Publish(second);
  EXPECT_EQ(ReadUntil(kNever), "done\n");
  EXPECT_TRUE(log_->Finish().ok());

  // From an earlier attempt on, and by its tail.
  EXPECT_EQ(ReadAll(Log(1, 1, 1, true)), "failing\ntwo\ndone\n");
  EXPECT_EQ(ReadAll(Log(1, 1, 0, false)), "one\nfailing\n");
  EXPECT_EQ(ReadAll(Log(1, 0, 0, true)), "two\ndone\n");
}

TEST_F(ReadLogTest, FollowingOneStreamIsNotHeldUpByTheOther) {
  Begin();
  v1::ReadLogRequest request = Log(1, 0, 0, true);
  request.add_streams(v1::LOG_STREAM_STDERR);
  Open(request);
  Print(Out("out\n"));
  Print(Err("err\n"));
  EXPECT_EQ(ReadUntil("err\n"), "err\n");
  context_->TryCancel();
}

}  // namespace
}  // namespace closewrite
