"""`make mutations`: break a copy of the product in one place at a time; a test must notice.

Which mutations there are is mutmut's to say (`places`). Ours is which of them to run (`choice`), which tests to run for
each (`recorder`, `recording`, `covering`), running them (`nursery`, `workers`) and telling what came of it (`report`).
"""
