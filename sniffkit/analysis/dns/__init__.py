"""DNS: questions paired with their answers, what each response means, and the recursion behind a question."""
