#include "services/coordinator/api/upload_codec.h"

#include "gtest/gtest.h"
#include "services/coordinator/api/pipeline_codec.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

v1::Pipeline WithPage() {
  v1::Pipeline pipeline;
  pipeline.set_name("enrich");
  pipeline.mutable_on()->set_volume("in");
  pipeline.mutable_on()->add_match("web/*.xlsx");
  pipeline.mutable_run()->add_command("/bin/true");
  pipeline.add_locks("picky-api");
  pipeline.mutable_portal();
  return pipeline;
}

std::string Error(const v1::Pipeline& pipeline) {
  return std::string(DecodePipeline(pipeline).status().message());
}

TEST(UploadCodecTest, DefaultsAreFilledIn) {
  const absl::StatusOr<Pipeline> pipeline = DecodePipeline(WithPage());
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  ASSERT_TRUE(pipeline->uploads.has_value());
  EXPECT_EQ(pipeline->uploads->title, "enrich");
  EXPECT_EQ(pipeline->uploads->bytes_max, int64_t{1} << 30);
  EXPECT_EQ(pipeline->uploads->lock, "picky-api");
  EXPECT_FALSE(pipeline->uploads->refuse);
  const absl::StatusOr<v1::Pipeline> kept = ParseDefinition(pipeline->definition);
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(kept->portal().max_size(), "1GiB");
  EXPECT_EQ(kept->portal().when_busy(), v1::WHEN_BUSY_QUEUE);
  v1::Pipeline without = WithPage();
  without.clear_portal();
  EXPECT_FALSE(DecodePipeline(without)->uploads.has_value());
}

TEST(UploadCodecTest, WhatIsSaidIsKept) {
  v1::Pipeline definition = WithPage();
  v1::Upload* const page = definition.mutable_portal();
  page->add_accept(".XLSX");
  page->set_max_size("200MiB");
  page->set_when_busy(v1::WHEN_BUSY_REFUSE);
  page->set_folder("web");
  page->set_show_log(true);
  const absl::StatusOr<Pipeline> pipeline = DecodePipeline(definition);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ(pipeline->uploads->accept, std::vector<std::string>{".xlsx"});
  EXPECT_EQ(pipeline->uploads->bytes_max, 200 << 20);
  EXPECT_TRUE(pipeline->uploads->refuse);
  EXPECT_EQ(pipeline->uploads->folder, "web");
  EXPECT_TRUE(pipeline->uploads->show_log);
}

TEST(UploadCodecTest, WhatIsWrongIsNamed) {
  v1::Pipeline definition = WithPage();
  definition.mutable_portal()->add_accept("xlsx");
  definition.mutable_portal()->set_max_size("2TiB");
  definition.mutable_portal()->set_folder("../web");
  const std::string error = Error(definition);
  for (const char* field : {"portal.accept[0]", "portal.max_size", "portal.folder"}) {
    EXPECT_NE(error.find(field), std::string::npos) << error;
  }
  definition = WithPage();
  definition.clear_locks();
  definition.mutable_portal()->set_when_busy(v1::WHEN_BUSY_REFUSE);
  EXPECT_NE(Error(definition).find("portal.when_busy"), std::string::npos);
  definition = WithPage();
  definition.mutable_on()->set_when(v1::WHEN_DELETE);
  EXPECT_NE(Error(definition).find("portal: needs a pipeline"), std::string::npos);
  definition = WithPage();
  definition.mutable_portal()->set_folder(".closewrite/staging");
  EXPECT_NE(Error(definition).find("portal.folder"), std::string::npos);
}

}  // namespace
}  // namespace closewrite
