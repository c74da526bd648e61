noinst_LIBRARIES += src/apply/libapply.a
src_apply_libapply_a_SOURCES =
