SELECT {columns} FROM {log}
WHERE publish_time >= @since
  AND (STRPOS(data, @model) > 0 OR @model = '')
  AND (STRPOS(data, @spelt) > 0 OR STRPOS(data, @escaped) > 0
    OR STRPOS(attributes, @spelt) > 0 OR STRPOS(attributes, @escaped) > 0
    OR message_id = @story OR @story = '')
QUALIFY ROW_NUMBER() OVER (PARTITION BY message_id ORDER BY publish_time) = 1
ORDER BY publish_time DESC, message_id DESC
